/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PERMIT_H
#define RESIL_PERMIT_H

/*
 * What acquire grants and record takes back: one guarded call. A permit carries the generation of
 * the state that granted it, so that a result that comes too late can't decide a newer state, and
 * it is spent by the first report. It is a plain value in the caller's memory: dropping it without
 * a report is safe, as a probe is given back by its lease and other permits hold nothing.
 *
 * A permit belongs to one call; it is used by one thread at a time. Don't copy it.
 */

#include <resil/common.h>

RESIL_BEGIN_DECLS

/** One guarded call. Fields that end in _ are private. Needs no initialisation before acquire. */
struct resil_permit {
    uint64_t token_;    /* 0 = spent, or never granted */
    uint64_t start_ns_; /* when it was granted */

    /** After a refusal, and only then: when it makes sense to ask again, a point in time; 0 =
        unknown. */
    uint64_t retry_at_ns;
};

RESIL_END_DECLS

#endif
