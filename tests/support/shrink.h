/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_SHRINK_H
#define RESIL_SHRINK_H

/*
 * Makes a failure small: delta debugging over the list of what was done (Andreas Zeller, Ralf
 * Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 2002), by leaving out
 * ever smaller parts of it.
 *
 * model_run does that for a model: its n-th operation draws its numbers from a start of its own, a
 * function of seed and n, so that it stays what it is when others are left out. Where an operation is
 * a whole world of its own, it can have parts that are left out one by one, too: see model_parts.
 */

#include "test.h"

/** How many operations a model runs: fewer under a sanitizer, where each costs many times as much. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MODEL_OPERATIONS(plain, sanitized) (sanitized)
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MODEL_OPERATIONS(plain, sanitized) (sanitized)
#endif
#ifndef MODEL_OPERATIONS
#define MODEL_OPERATIONS(plain, sanitized) (plain)
#endif

/** Whether it still fails with those of n things alone that are kept. */
typedef bool shrink_fails_fn(void *arg, const bool *keep, size_t n);

/** Leaves out what can be left out; keep is all true at first. Returns how many are left. Tries at
    most tries_max times. */
static inline size_t shrink(bool *keep, size_t n, unsigned tries_max, shrink_fails_fn *fails,
                            void *arg)
{
    size_t part = n, left = 0;
    bool *tried = malloc(n + 1);
    bool any;

    while (tried != NULL && part > 0) {
        any = false;
        for (size_t at = 0; at < n && tries_max > 0; at += part) {
            size_t end = at + part < n ? at + part : n;

            if (memchr(keep + at, true, end - at) == NULL)
                continue;
            memcpy(tried, keep, n);
            memset(tried + at, false, end - at);
            tries_max--;
            if (fails(arg, tried, n)) {
                memcpy(keep, tried, n);
                any = true;
            }
        }
        /* What couldn't go alone may go now that others went. */
        part = any && part < 8 ? part : part / 2;
    }
    free(tried);
    for (size_t i = 0; i < n; i++)
        left += keep[i];
    return left;
}

/** So many parts has an operation (64 at most; 0: it is one piece), and these of them, by bit, step is
    to leave out. What remains has to stay what it is. */
static unsigned model_parts;
static uint64_t model_left_out;

/** A model and its subject, both static. */
struct model_subject {
    void (*begin)(void); /* makes both anew; may draw from *random */
    void (*step)(void);  /* one operation on both; says MODEL_CHECK */
    uint64_t *random;
};

static inline uint64_t model_mix(uint64_t x)
{
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

/* The seed is mixed first: seed + 1 is not the same run an operation later. */
static inline uint64_t model_start(uint64_t seed, uint64_t operation)
{
    uint64_t begun = model_mix((seed + 1) * UINT64_C(0x9e3779b97f4a7c15));

    return model_mix((begun + operation) * UINT64_C(0x9e3779b97f4a7c15)) | 1;
}

/* Runs operations 0 to n - 1, or those of them that are kept. Returns the number of the one that
   failed, or n. */
static inline uint64_t model_try(const struct model_subject *model, uint64_t seed, const bool *keep,
                                 uint64_t n)
{
    static uint64_t operation; /* lives through longjmp */

    operation = 0;
    *model->random = model_start(seed, UINT64_MAX);
    model_catching = true;
    if (setjmp(model_caught) == 0) {
        model->begin();
        for (; operation < n; operation++) {
            if (keep != NULL && !keep[operation])
                continue;
            *model->random = model_start(seed, operation);
            model->step();
        }
    }
    model_catching = false;
    return operation;
}

struct model_case {
    const struct model_subject *model;
    uint64_t seed;
};

static inline bool model_fails(void *arg, const bool *keep, size_t n)
{
    const struct model_case *is = arg;

    return model_try(is->model, is->seed, keep, n) < n;
}

/** Leaves out of the first n operations, of which the last fails, what can be left out. Returns
    what is kept, to be freed, or NULL without memory. */
static inline bool *model_shrink(const struct model_subject *model, uint64_t seed, uint64_t n)
{
    struct model_case is = {model, seed};
    bool *keep = malloc(n);

    if (keep == NULL)
        return NULL;
    memset(keep, true, n);
    (void)shrink(keep, n, 2000, model_fails, &is);
    return keep;
}

/* Leaves out, of the operations that are left, the parts that can be left out. Returns how many parts
   stay. */
static inline unsigned model_shrink_parts(const struct model_subject *model, uint64_t seed,
                                          const bool *keep, uint64_t n)
{
    unsigned left = model_parts;

    for (unsigned before = left + 1; left < before;) {
        before = left;
        for (unsigned part = 0; part < model_parts; part++) {
            uint64_t bit = UINT64_C(1) << part;

            if ((model_left_out & bit) != 0)
                continue;
            model_left_out |= bit;
            if (model_try(model, seed, keep, n) < n)
                left--;
            else
                model_left_out &= ~bit;
        }
    }
    return left;
}

/** Runs so many operations; fails with the few that are enough. RESIL_OPERATIONS="3 17 40" runs
    these alone, for a debugger, and RESIL_LEFT_OUT=0x6 without these parts of them. */
static inline void model_run(const struct model_subject *model, uint64_t seed, uint64_t operations)
{
    const char *wanted = getenv("RESIL_OPERATIONS"), *left_out = getenv("RESIL_LEFT_OUT");
    static char list[1024];
    size_t used = 0;
    uint64_t failed;
    bool *keep;

    model_left_out = left_out != NULL ? strtoull(left_out, NULL, 0) : 0;
    if (wanted != NULL) {
        keep = calloc(operations, sizeof *keep);
        assert_non_null(keep);
        for (char *end; *wanted != '\0'; wanted = end) {
            uint64_t number = strtoull(wanted, &end, 10);

            if (end == wanted)
                break;
            if (number < operations)
                keep[number] = true;
        }
        failed = model_try(model, seed, keep, operations);
        free(keep);
        if (failed < operations)
            fail_msg("operation %" PRIu64 ": %s", failed, model_message);
        return;
    }
    failed = model_try(model, seed, NULL, operations);
    if (failed == operations)
        return;
    keep = model_shrink(model, seed, failed + 1);
    for (uint64_t i = 0; keep != NULL && i <= failed && used + 24 < sizeof list; i++)
        if (keep[i])
            used += (size_t)snprintf(list + used, sizeof list - used, " %" PRIu64, i);
    if (keep != NULL && model_parts > 0)
        (void)model_shrink_parts(model, seed, keep, failed + 1);
    free(keep);
    fail_msg("operation %" PRIu64 ": %s; RESIL_SEED=%" PRIu64
             " RESIL_OPERATIONS='%s' RESIL_LEFT_OUT=0x%" PRIx64,
             failed, model_message, seed, list, model_left_out);
}

/** The negative control: a model that is wrong on purpose is found out, and what shows it is cut down
    to so many operations at most, or to so many parts of one operation where it has parts. With a seed
    of its own, whatever RESIL_SEED says. */
static inline void model_finds(const struct model_subject *model, uint64_t seed,
                               uint64_t operations, size_t enough, const char *what)
{
    uint64_t failed;
    size_t left = 0;
    bool *keep;

    if (getenv("RESIL_OPERATIONS") != NULL)
        return;
    failed = model_try(model, seed, NULL, operations);
    if (failed == operations)
        fail_msg("not found in %" PRIu64 " operations: %s", operations, what);
    keep = model_shrink(model, seed, failed + 1);
    assert_non_null(keep);
    for (uint64_t i = 0; i <= failed; i++)
        left += keep[i];
    assert_true(model_try(model, seed, keep, failed + 1) <= failed);
    if (model_parts > 0) {
        assert_int_equal(left, 1);
        left = model_shrink_parts(model, seed, keep, failed + 1);
        model_left_out = 0;
    }
    free(keep);
    print_message("%9" PRIu64 " until found, %2zu are enough: %s\n", failed + 1, left, what);
    assert_in_range(left, 1, enough);
}

#endif
