/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BENCH_H
#define RESIL_BENCH_H

/*
 * A benchmark is a row of a table; a group is one file with one table:
 *
 *     static const struct bench rows[] = {
 *         {.name = "limit.xadd", .run = run_xadd},
 *     };
 *     BENCH_GROUP(limit, rows);
 *
 * and its name in bench/meson.build.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resil_env;

struct bench {
    const char *name; /* group.what */

    /** False on a machine that lacks what the bench needs: the row is then absent. NULL = any. */
    bool (*here)(void);

    /** Prepares the state that all threads share; NULL = nothing to prepare. False = can't be
        measured. */
    bool (*setup)(uint32_t threads);

    /** Does the operation so many times, in thread 0, 1, ...: all of them at once on the same
        state. */
    void (*run)(uint64_t iterations, uint32_t thread);

    /** After the last run; NULL = nothing to do. */
    void (*teardown)(void);
};

struct bench_group {
    const struct bench *rows;
    size_t count;
};

#define BENCH_GROUP(name, table)                                                                   \
    const struct bench_group bench_group_##name = {(table), sizeof(table) / sizeof *(table)}

/** Makes the compiler believe that a value is used. */
static inline void bench_keep(uint64_t value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

/** Memory that starts a page of 2 MiB, in pages of that size if the system gives them to who asks,
    else in small ones. NULL when there is none; given back by free. */
void *bench_memory(size_t size, bool huge);

/** Ends the program: an operation did not do what is measured (granted instead of refused, ...). */
_Noreturn void bench_fail(const char *name);

/** resil_env_tsc once its counter runs, or after a second. */
const struct resil_env *bench_env_tsc(void);

/** The caller's time in a loop: starts at the clock and takes so many ns per operation, so that
    windows slide. */
#define BENCH_TICK_NS 4

/** Shared state starts its own pair of lines, as the prefetcher fetches them. */
#define BENCH_APART _Alignas(128)

#endif
