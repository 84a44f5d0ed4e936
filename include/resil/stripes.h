/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_STRIPES_H
#define RESIL_STRIPES_H

/*
 * Stripes: copies of the words that every call writes, one for each processor, so that two
 * processors don't wait for one another's cache lines. A caller counts in the stripe of the
 * processor he runs on; who wants the whole sums them up.
 *
 * The number of the processor is read from the thread's rseq area where the C library keeps one
 * (glibc 2.35 on x86-64 and aarch64: one load), else the system is asked, else it is a number of
 * the thread. It only says where to count: every count is an atomic addition, and none is lost when
 * a thread is moved at the wrong moment or when processors share a stripe.
 *
 * Striped objects lie in memory that the caller gives, whose size depends on the number of stripes:
 * struct resil_breaker (RESIL_STRIPED_BREAKER), struct resil_counters (RESIL_COUNTERS). No
 * pointers: they may lie in a shared mapping.
 */

#include <resil/common.h>

RESIL_BEGIN_DECLS

/** The most stripes of one object. */
#define RESIL_STRIPES_MAX 256

/** What the memory of a striped object is aligned to: a cache line. */
#define RESIL_STRIPES_ALIGN 64

/**
 * How many stripes give each processor of this machine one of its own: the number of processors,
 * rounded up to a power of two.
 *
 * @return 1, 2, 4, ... RESIL_STRIPES_MAX. Processors that are switched off count; those that this
 *         process may not run on do too.
 *
 * Threads:   any, at any time.
 * Progress:  reads a file of the system: not for the hot path.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API uint64_t resil_stripes(void);

RESIL_END_DECLS

#endif
