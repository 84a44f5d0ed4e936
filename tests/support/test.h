/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_H
#define RESIL_TEST_H

/*
 * Includes cmocka with what it needs, in the order it needs it, and what the model tests share: a
 * seeded generator whose seed is printed when a test fails.
 *
 * RESIL_SEED=n in the environment replays a failure.
 */

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/** The seed of this run: RESIL_SEED, or the given one. */
static inline uint64_t test_seed(uint64_t fallback)
{
    const char *text = getenv("RESIL_SEED");

    return text != NULL ? strtoull(text, NULL, 0) : fallback;
}

/** The next number of a generator; the state is one word (xorshift64*, any start but 0). */
static inline uint64_t test_random(uint64_t *state)
{
    uint64_t x = *state != 0 ? *state : 88172645463325252u;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(2685821657736338717);
}

/** A number of 0 to bound - 1. */
static inline uint64_t test_below(uint64_t *state, uint64_t bound)
{
    return (test_random(state) >> 11) % bound;
}

/** How long a torture test runs: RESIL_TORTURE_MS, or 300 ms. */
static inline uint64_t test_torture_ms(void)
{
    const char *text = getenv("RESIL_TORTURE_MS");

    return text != NULL ? strtoull(text, NULL, 0) : 300;
}

/* How a failed check gets back to what makes it small: see shrink.h. */
static bool model_catching;
static jmp_buf model_caught;
static const char *model_message = "";

static inline void model_failed(uint64_t seed, uint64_t operation, const char *message)
{
    model_message = message;
    if (model_catching)
        longjmp(model_caught, 1);
    fail_msg("RESIL_SEED=%" PRIu64 ", operation %" PRIu64 ": %s", seed, operation, message);
}

/** Fails a model test and says how to replay it; bench has a seed and the number of an operation. */
#define MODEL_CHECK(bench, condition)                                                              \
    do {                                                                                           \
        if (!(condition))                                                                          \
            model_failed((bench)->seed, (bench)->operation, #condition);                           \
    } while (0)

/** The bytes that name the same key as a number: its own, the lowest first on any machine. */
struct test_key {
    unsigned char bytes[8];
};

static inline struct test_key test_key_of(uint64_t number)
{
    struct test_key key;

    for (unsigned i = 0; i < 8; i++)
        key.bytes[i] = (unsigned char)(number >> (8 * i));
    return key;
}

#endif
