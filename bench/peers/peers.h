/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BENCH_PEERS_H
#define RESIL_BENCH_PEERS_H

/* The peers that need a library or a language of their own: rows of peers.c where they were built.
   A run returns how many operations did something else than they should. */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Makes room for so many threads. */
void semaphore_setup(uint32_t threads);
uint64_t semaphore_run(uint64_t iterations);

/** Returns 0, or -1 when no memory is left. */
int ketama_setup(uint32_t threads);
uint64_t ketama_run(uint64_t iterations, uint32_t thread);
void ketama_teardown(void);

#ifdef __cplusplus
}
#endif

#endif
