/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_GUARD_H
#define RESIL_GUARD_H

/*
 * A guard: a breaker and a limit of calls in flight for each endpoint of a balancer. Their state lies
 * beside the endpoint's, so that there is no second lookup, and comes and goes with it.
 *
 *     struct resil_guard guard;
 *     resil_guard_init(&guard, &lb, &(struct resil_guard_config){.breaker = &breaker_config});
 *     resil_balancer_init(&lb, &(struct resil_balancer_config){
 *         .state_size = RESIL_GUARD_STATE, .state_init = resil_guard_state, .state_arg = &guard});
 *     policies[1] = resil_guard_policy(&guard);      in the place of resil_balancer_policy(&lb)
 *
 * An attempt picks; if the endpoint's breaker is open or its limit reached, it picks another one, up
 * to eight. Only when nobody lets it through is it refused, with the last one's reason.
 *
 * Each client has a breaker for each endpoint, so that all clients' probes together are many times
 * those of a breaker for the service. Where the breaker's config leaves them 0, three fields have
 * defaults of the guard's own: probes 1, open_ns 10 s, jitter_pct 200. In a simulated fleet
 * (tests/sim/README.md) the probes cost the servers at most 3.5 % of their capacity with these, up
 * to 16 % with the breaker's own.
 *
 * A limit of calls in flight is what keeps goodput up while an overload lasts: calls that would
 * wait in a queue for longer than their time-out are refused at once instead. Choose it so that all
 * clients' calls together are no more than what the endpoint does within the time-out:
 *
 *     limit = time-out * calls per second that the endpoint can do / clients
 *
 * In that fleet, with half of the servers down and 140 % of what the rest can do offered to them,
 * this limit (2) got 72 % of the calls answered, all that there could be; half of it did as well,
 * twice as much got 60 %, none 43 %. With more clients than the product of the other two even a limit
 * of 1 is too much: then give each client only a part of the list.
 *
 * A breaker for each endpoint or outlier detection? Both take a failing endpoint out. Outlier
 * detection compares with the peers, leaves most of them in whatever happens, and comes back by
 * time. A breaker knows nothing of the others: when all fail, all open, and then nothing is sent but
 * probes; it comes back by probing. Where a breaker of the whole service stands outside, outlier
 * detection alone is enough; where the load on something that fails everywhere must end, use
 * breakers.
 */

#include <resil/balancer.h>
#include <resil/breaker.h>
#include <resil/bulkhead.h>
#include <resil/common.h>
#include <resil/policy.h>

RESIL_BEGIN_DECLS

/** What each endpoint gets. At least one of the two. */
struct resil_guard_config {
    /** Copied; NULL = no breaker. Three defaults are the guard's own: open_ns [10 s], jitter_pct
        [200], probes [1]. */
    const struct resil_breaker_config *breaker;

    /** Copied; NULL = no limit. */
    const struct resil_bulkhead_config *bulkhead;
};

/** What one endpoint has: pick.state of a guarded balancer. */
struct resil_guard_state {
    struct resil_breaker breaker;
    struct resil_bulkhead bulkhead;
};

/** For resil_balancer_config.state_size. */
#define RESIL_GUARD_STATE sizeof(struct resil_guard_state)

/** What the endpoints of one balancer are guarded by. The fields are private. */
struct resil_guard {
    struct resil_balancer *balancer_;
    struct resil_breaker_config breaker_;
    struct resil_bulkhead_config bulkhead_;
    bool has_breaker_;
    bool has_bulkhead_;
};

/** For the static inline function below. */
RESIL_API int resil_guard_init_sized(struct resil_guard *guard, size_t guard_size,
                                     struct resil_balancer *balancer,
                                     const struct resil_guard_config *config, size_t config_size);

/**
 * Says what the endpoints of a balancer are guarded by. Comes before resil_balancer_init.
 *
 * @param guard     the caller's memory; must outlive the balancer and every chain with its policy.
 * @param balancer  need not be initialised yet. Borrowed.
 * @param config    not NULL. Copied. The seed of the breakers is mixed with each address.
 * @return RESIL_OK; RESIL_EINVAL for NULL, a config with neither of the two, or one that, with the
 *         defaults above, resil_breaker_config_check or resil_bulkhead_config_check refuses; RESIL_EABI when the
 *         sizes of header and library differ.
 *
 * Threads:   nobody else may use the guard yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_guard_init(struct resil_guard *guard, struct resil_balancer *balancer,
                                   const struct resil_guard_config *config)
{
    return resil_guard_init_sized(guard, sizeof *guard, balancer, config, sizeof *config);
}

/**
 * Makes the state of one endpoint: for resil_balancer_config.state_init, with the guard as
 * state_arg.
 *
 * @param guard     an initialised guard.
 * @param state     RESIL_GUARD_STATE bytes.
 * @param endpoint  the new endpoint.
 * @return RESIL_OK; RESIL_EINVAL.
 *
 * Threads:   called by the balancer, in resil_balancer_update.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_guard_state(void *guard, void *state, const struct resil_endpoint *endpoint);

/**
 * Puts a guarded balancer into a chain: as resil_balancer_policy, and each attempt takes a permit of
 * its endpoint's breaker and bulkhead, and gives them back with its result.
 *
 * @param guard  an initialised guard whose balancer has RESIL_GUARD_STATE bytes of state per
 *               endpoint. Borrowed: must outlive every chain that holds the policy.
 * @return the policy, named "balancer"; 12 frame words. resil_chain_init refuses it when guard or
 *         balancer isn't initialised, or the balancer's state isn't the guard's. At run time
 *         RESIL_EOPEN or RESIL_EFULL when no endpoint lets the call through, RESIL_EUNAVAILABLE
 *         when there is none.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_guard_policy(struct resil_guard *guard);

RESIL_END_DECLS

#endif
