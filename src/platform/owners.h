/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PLATFORM_OWNERS_H
#define RESIL_PLATFORM_OWNERS_H

/*
 * Stripes that belong to processors: who runs on one changes its word by a plain write in a
 * restartable sequence (platform/rseq.h), and others can take from it all the same. That is how
 * tcmalloc's per-processor caches work. One word of the object says whether owners may do so:
 *
 *     0           each processor writes to its own word in sequences that find this 0
 *     n           n threads hold the owners off
 *     NONE (bit)  never again: all use locked operations, on any word, as they like
 *
 * Who needs another's word, or what was his own before he was moved, adds one here, and fences:
 * every sequence that found 0 has written by then, or never will. Until he takes off the one, no
 * new plain write begins, so that locked operations are all there is. Each does so for himself: that
 * somebody else holds the owners off doesn't say that his fence is through. A thread that is stopped
 * for ever while it does makes the others slower and stops nobody.
 *
 * Owners who are held off, and those who change more than a sequence can, use a locked operation in
 * a sequence of their own, whatever this word says: two threads on one processor are never in one
 * at the same time, and against those who hold the owners off it is locked. So a stripe is filled by
 * its owner without a fence.
 *
 * A number beyond the stripes belongs to a processor that wasn't said to be there, or to a thread
 * without an area; whoever has one ends ownership. A fence that the system refuses after
 * it was had (a filter of system calls) leaves everybody with what is his.
 */

#include "base/atomic.h"
#include "base/compiler.h"
#include "platform/cpu.h"
#include "platform/rseq.h"

#define RESIL__OWNERS_NONE (UINT64_C(1) << 63)

/** What a swap came to. */
enum resil__owners {
    RESIL__OWNERS_DONE,
    RESIL__OWNERS_DIFFERS, /* *expected receives what was there */
    RESIL__OWNERS_REFUSED, /* somebody else's word, and no fence to be had: nothing was done */
};

#if RESIL__RSEQ
#include "platform/owners_rseq.h"
#else
#include "platform/owners_none.h"
#endif

#endif
