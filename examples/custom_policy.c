/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Two policies of your own. A switch needs one function: it refuses calls while the operator has it
 * off. A slow log needs two, and one word of memory in each call: it reports attempts that took too
 * long.
 */
#define _POSIX_C_SOURCE 200809L
#include <resil/chain.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- a switch ---- */

/* Refusals of your own: any number from -199 to -100 that the library doesn't use. */
#define SWITCHED_OFF (-150)

struct power_switch {
    atomic_bool off; /* flipped by another thread: an admin command, a config reload */
};

static int switch_admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    const struct power_switch *power = self;

    (void)frame;
    (void)walk;
    return atomic_load_explicit(&power->off, memory_order_relaxed) ? SWITCHED_OFF : RESIL_PASS;
}

static struct resil_policy switch_policy(struct power_switch *power)
{
    static const struct resil_policy_ops ops = {
        .size = sizeof(struct resil_policy_ops),
        .name = "switch", /* report.decided_by of the calls that it refused */
        .admit = switch_admit,
    };

    return (struct resil_policy){.ops = &ops, .self = power};
}

/* ---- a slow log ---- */

struct slow_log {
    uint64_t slow_ns;
    atomic_uint reported; /* a chain runs in many threads: what a policy changes has to bear that */
};

static int slow_admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    (void)self;
    frame[0] = walk->now_ns; /* the frame is this call's own until settle or abandon */
    walk->timed = true;      /* settle wants to know the time after a success, too */
    return RESIL_PASS;
}

/* Called on the way out, innermost policy first. A call that is torn down (cancelled, or timed out
 * in an event loop) calls abandon instead: it can be the same function. */
static int slow_settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct slow_log *log = self;
    uint64_t took_ns = walk->now_ns - frame[0];

    if (took_ns >= log->slow_ns) {
        (void)atomic_fetch_add_explicit(&log->reported, 1, memory_order_relaxed);
        (void)printf("slow: attempt %u took %.0f ms and ended in %s\n", walk->attempt.number,
                     (double)took_ns / 1e6, resil_outcome_str(walk->result.outcome));
    }
    return RESIL_PASS;
}

static struct resil_policy slow_log_policy(struct slow_log *log)
{
    static const struct resil_policy_ops ops = {
        .size = sizeof(struct resil_policy_ops),
        .name = "slow_log",
        .flags = RESIL_ON_SUCCESS | RESIL_ON_FAILURE, /* not for what was refused further in */
        .frame_words = 1,
        .admit = slow_admit,
        .settle = slow_settle,
        .abandon = slow_settle,
    };

    return (struct resil_policy){.ops = &ops, .self = log};
}

/* ---- and their use ---- */

static enum resil_outcome nap(void *arg, struct resil_attempt *attempt)
{
    const long *nap_ms = arg;
    struct timespec span = {.tv_nsec = *nap_ms * 1000 * 1000};

    (void)attempt;
    (void)nanosleep(&span, NULL);
    return RESIL_SUCCESS;
}

int main(void)
{
    struct power_switch power = {.off = false};
    struct slow_log log = {.slow_ns = RESIL_MS(20)};
    struct resil_policy policies[2] = {switch_policy(&power), slow_log_policy(&log)};
    struct resil_chain chain;
    struct resil_report report;
    long quick_ms = 0;
    long slow_ms = 30;
    char why[120];

    if (resil_chain_init(&chain, policies, 2, why, sizeof why) != RESIL_OK) {
        (void)fprintf(stderr, "can't set up: %s\n", why);
        return EXIT_FAILURE;
    }
    if (resil_chain_run(&chain, resil_env_posix(), NULL, nap, &quick_ms, NULL) != RESIL_OK ||
        resil_chain_run(&chain, resil_env_posix(), NULL, nap, &slow_ms, NULL) != RESIL_OK)
        return EXIT_FAILURE;
    atomic_store(&power.off, true);
    if (resil_chain_run(&chain, resil_env_posix(), NULL, nap, &slow_ms, &report) != SWITCHED_OFF)
        return EXIT_FAILURE;
    (void)printf("refused by the %s: status %d, %u attempts\n", report.decided_by, report.status,
                 report.attempts);
    return atomic_load(&log.reported) >= 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
