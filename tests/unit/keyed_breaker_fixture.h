/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_KEYED_BREAKER_FIXTURE_H
#define RESIL_TEST_KEYED_BREAKER_FIXTURE_H

/* A keyed breaker in memory of just the size that it asked for. */

#include "test.h"

#include <resil/keyed_breaker.h>

/* A whole number of ticks of 2^20 ns, as a deadline is. */
#define T0   (RESIL_SEC(1000) >> 20 << 20)
#define TICK (UINT64_C(1) << 20)

static inline struct resil_keyed_breaker_config config_of(uint64_t keys)
{
    return (struct resil_keyed_breaker_config){
        .keys = keys, .seed = {11, 22}, .consecutive = 3, .jitter_pct = RESIL_OFF};
}

static inline struct resil_keyed_breaker *make(struct resil_keyed_breaker_config config)
{
    size_t size = resil_keyed_breaker_size(config.keys);
    struct resil_keyed_breaker *breaker = malloc(size);

    assert_non_null(breaker);
    assert_int_equal(resil_keyed_breaker_init(breaker, size, &config), RESIL_OK);
    return breaker;
}

static inline int ask(struct resil_keyed_breaker *breaker, uint64_t key, uint64_t now_ns,
                      struct resil_keyed_permit *permit)
{
    return resil_keyed_breaker_acquire_u64(breaker, key, now_ns, permit);
}

static inline int tell(struct resil_keyed_breaker *breaker, struct resil_keyed_permit *permit,
                       uint64_t now_ns, enum resil_outcome outcome)
{
    return resil_keyed_breaker_record(breaker, permit, now_ns,
                                      &(struct resil_result){.outcome = outcome});
}

/* One call, which must be let through. */
static inline void call(struct resil_keyed_breaker *breaker, uint64_t key, uint64_t now_ns,
                        enum resil_outcome outcome)
{
    struct resil_keyed_permit permit;

    assert_int_equal(ask(breaker, key, now_ns, &permit), RESIL_OK);
    assert_int_equal(tell(breaker, &permit, now_ns, outcome), RESIL_OK);
}

static inline void trip(struct resil_keyed_breaker *breaker, uint64_t key, uint64_t now_ns)
{
    for (int i = 0; i < 3; i++)
        call(breaker, key, now_ns, RESIL_FAILURE);
}

static inline struct resil_keyed_breaker_entry look(const struct resil_keyed_breaker *breaker,
                                                    uint64_t key, uint64_t now_ns)
{
    struct resil_keyed_breaker_entry entry;

    resil_keyed_breaker_look(breaker, test_key_of(key).bytes, 8, now_ns, &entry);
    return entry;
}

static inline struct resil_keyed_breaker_snapshot count(const struct resil_keyed_breaker *breaker)
{
    struct resil_keyed_breaker_snapshot snapshot;

    resil_keyed_breaker_snapshot(breaker, &snapshot);
    return snapshot;
}

#endif
