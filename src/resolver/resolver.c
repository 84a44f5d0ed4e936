/* SPDX-License-Identifier: BSD-2-Clause */
#include <resil/resolver.h>

#include "base/check.h"
#include "base/math.h"

#define RETRY_NS RESIL_MS(100)

int resil_resolver_init(struct resil_resolver *resolver, const struct resil_resolver_ops *ops)
{
    if (resolver == NULL || ops == NULL)
        return RESIL_EINVAL;
    if (ops->size != sizeof *ops)
        return RESIL_EABI;
    if (ops->name == NULL || ops->tick == NULL)
        return RESIL_EINVAL;
    *resolver = (struct resil_resolver){.ops_ = ops};
    return RESIL_OK;
}

int resil_resolver_start(struct resil_resolver *resolver, resil_resolver_push_fn *push, void *arg,
                         char *why, size_t why_size)
{
    struct resil__why where = {why, why_size};
    int rc = RESIL_OK;

    if (resolver == NULL || resolver->ops_ == NULL)
        return resil__check_fail(where, "resolver", "must be initialised");
    if (push == NULL)
        return resil__check_fail(where, "push", "must not be NULL");
    if (resolver->push_ != NULL) {
        (void)resil__check_fail(where, "resolver", "has been started already");
        return RESIL_EBUSY;
    }
    if (resolver->ops_->start != NULL)
        rc = resolver->ops_->start(resolver, why, why_size);
    if (rc != RESIL_OK)
        return rc;
    resolver->push_ = push;
    resolver->arg_ = arg;
    return RESIL_OK;
}

int resil_resolver_tick(struct resil_resolver *resolver, uint64_t now_ns, uint64_t *next_ns)
{
    if (resolver == NULL || next_ns == NULL || resolver->push_ == NULL)
        return RESIL_EINVAL;
    *next_ns = RESIL_NEVER;
    return resolver->ops_->tick(resolver, now_ns, next_ns);
}

void resil_resolver_stop(struct resil_resolver *resolver)
{
    if (resolver == NULL || resolver->push_ == NULL)
        return;
    if (resolver->ops_->stop != NULL)
        resolver->ops_->stop(resolver);
    resolver->push_ = NULL;
    resolver->arg_ = NULL;
}

int resil_resolver_push(struct resil_resolver *resolver, const struct resil_endpoint *endpoints,
                        size_t n, uint64_t now_ns)
{
    if (resolver == NULL || resolver->push_ == NULL)
        return RESIL_EINVAL;
    return resolver->push_(resolver->arg_, endpoints, n, now_ns);
}

const char *resil_resolver_name(const struct resil_resolver *resolver)
{
    return resolver != NULL && resolver->ops_ != NULL ? resolver->ops_->name : "";
}

/* The first member, so the cast is allowed. */
static struct resil_static_resolver *self(struct resil_resolver *resolver)
{
    return (struct resil_static_resolver *)(void *)resolver;
}

static int static_start(struct resil_resolver *resolver, char *why, size_t why_size)
{
    (void)why;
    (void)why_size;
    self(resolver)->pushed_ = 0;
    return RESIL_OK;
}

static int static_tick(struct resil_resolver *resolver, uint64_t now_ns, uint64_t *next_ns)
{
    struct resil_static_resolver *list = self(resolver);
    int rc;

    if (list->pushed_ != 0)
        return RESIL_OK;
    rc = resil_resolver_push(resolver, list->endpoints_, list->count_, now_ns);
    list->pushed_ = rc == RESIL_OK || rc == RESIL_EINVAL || rc == RESIL_EABI;
    if (list->pushed_ == 0)
        *next_ns = resil__add_sat(now_ns, RETRY_NS);
    return rc;
}

int resil_static_resolver_init_sized(struct resil_static_resolver *resolver, size_t resolver_size,
                                     const struct resil_endpoint *endpoints, size_t n,
                                     size_t endpoint_size)
{
    static const struct resil_resolver_ops ops = {
        .size = sizeof(struct resil_resolver_ops),
        .name = "static",
        .start = static_start,
        .tick = static_tick,
    };

    if (resolver_size != sizeof *resolver || endpoint_size != sizeof *endpoints)
        return RESIL_EABI;
    if (resolver == NULL || (endpoints == NULL && n > 0))
        return RESIL_EINVAL;
    *resolver = (struct resil_static_resolver){.endpoints_ = endpoints, .count_ = n};
    return resil_resolver_init(&resolver->resolver, &ops);
}
