/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 200809L
#include <resil/resolver_driver.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/atomic.h"
#include "base/math.h"
#include "platform/cancel.h"

/* A resolver that is always due doesn't take a core. */
#define SLEEP_NS_MIN RESIL_MS(1)

_Static_assert(sizeof(pthread_t) <= sizeof(uint64_t), "the name of a thread fits a word");

static pthread_t thread_of(const struct resil_resolver_driver *driver)
{
    pthread_t thread;

    memcpy(&thread, &driver->thread_, sizeof thread);
    return thread;
}

/* Waits until then, or the end. It may have been woken for no reason: whoever ticks too early is
   told again when to come. */
static void sleep_until(struct resil_resolver_driver *driver, uint64_t until_ns)
{
    driver->env_->wait(driver->env_->arg, &driver->ending_, 0, until_ns);
}

static void *drive(void *arg)
{
    struct resil_resolver_driver *driver = arg;

    (void)resil__cancel_off(); /* for good: stop waits for a thread that ends by itself */
    while (resil__load_acquire32(&driver->ending_) == 0) { /* pairs with the store in stop */
        uint64_t now_ns = driver->env_->now(driver->env_->arg);
        uint64_t next_ns = RESIL_NEVER;

        (void)resil_resolver_tick(driver->resolver_, now_ns, &next_ns);
        sleep_until(driver, resil__max(next_ns, resil__add_sat(now_ns, SLEEP_NS_MIN)));
    }
    return NULL;
}

static int start_thread(struct resil_resolver_driver *driver)
{
    sigset_t all, before;
    pthread_t thread;
    int err;

    (void)sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return RESIL_EINVAL;
    err = pthread_create(&thread, NULL, drive, driver);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err != 0)
        return RESIL_ENOMEM;
    memcpy(&driver->thread_, &thread, sizeof thread);
    driver->running_ = 1;
    return RESIL_OK;
}

int resil_resolver_driver_start_sized(struct resil_resolver_driver *driver, size_t driver_size,
                                      struct resil_resolver *resolver, const struct resil_env *env)
{
    if (driver_size != sizeof *driver || (env != NULL && env->size != sizeof *env))
        return RESIL_EABI;
    if (driver == NULL || resolver == NULL)
        return RESIL_EINVAL;
    *driver = (struct resil_resolver_driver){
        .resolver_ = resolver,
        .env_ = env != NULL ? env : resil_env_posix(),
    };
    return start_thread(driver);
}

int resil_resolver_driver_stop(struct resil_resolver_driver *driver)
{
    int before;

    if (driver == NULL)
        return RESIL_EINVAL;
    if (driver->running_ == 0)
        return RESIL_OK;
    resil__store_release32(&driver->ending_, 1);
    driver->env_->wake(driver->env_->arg, &driver->ending_);
    before = resil__cancel_off();
    (void)pthread_join(thread_of(driver), NULL);
    resil__cancel_restore(before);
    driver->running_ = 0;
    return RESIL_OK;
}
