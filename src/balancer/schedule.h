/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_SCHEDULE_H
#define RESIL_BALANCER_SCHEDULE_H

/* A round of picks, decided when the table is built: what smooth_weighted walks through. */

#include <resil/picker.h>

/** The longest round that is kept in the exact smooth order. */
#define RESIL__SMOOTH_MAX 65536u

/** Distinct weights in such a round, at most: 1 + 2 + ... + 362 is more than 65,536. */
#define RESIL__SMOOTH_GROUPS 361u

/** The table: this, then the candidates in their order, 16 bits each where that is enough for their
    number, else 32. */
struct resil__schedule {
    uint32_t length;
    uint32_t wide;
    uint64_t pad;
};

static inline uint16_t *resil__schedule_narrow(struct resil__schedule *schedule)
{
    return (uint16_t *)(void *)(schedule + 1);
}

static inline uint32_t *resil__schedule_wide(struct resil__schedule *schedule)
{
    return (uint32_t *)(void *)(schedule + 1);
}

static inline void resil__schedule_put(struct resil__schedule *schedule, uint32_t slot,
                                       uint32_t candidate)
{
    if (schedule->wide)
        resil__schedule_wide(schedule)[slot] = candidate;
    else
        resil__schedule_narrow(schedule)[slot] = (uint16_t)candidate;
}

/** Behind the slots, at the next 16 bytes: scratch of the build. */
static inline void *resil__schedule_scratch(struct resil__schedule *schedule)
{
    uint64_t slots = (uint64_t)schedule->length * (schedule->wide ? 4 : 2);

    return (char *)(schedule + 1) + (slots + 15) / 16 * 16;
}

/** Slots of a stride round of n candidates: 64 each, 4,096 to 65,536 together, but never fewer than
    16 each. */
uint32_t resil__stride_length(uint32_t n);

/** Bytes of scratch that either build needs for n candidates. */
size_t resil__smooth_scratch(uint32_t n);
size_t resil__stride_scratch(uint32_t n);

/** Fills a schedule whose length (the sum of the weights over divisor, at most RESIL__SMOOTH_MAX)
    and width are set, in the exact smooth order. */
void resil__smooth_build(const struct resil_pool *pool, uint64_t divisor,
                         struct resil__schedule *schedule);

/** Fills a schedule whose length (resil__stride_length) and width are set, in stride order. */
void resil__stride_build(const struct resil_pool *pool, struct resil__schedule *schedule);

#endif
