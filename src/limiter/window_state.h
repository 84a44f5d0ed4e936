/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_LIMITER_WINDOW_STATE_H
#define RESIL_LIMITER_WINDOW_STATE_H

/*
 * The arithmetic of the sliding window counter: words in, words out. From bit 0: generation (2
 * bits; bit 0 is the slot in force), count, before (slot.bits each), number of the window modulo
 * 2^(62 - 2 * bits). A word that is 0 but for the generation was never used and says nothing about
 * time.
 */

#include <resil/window.h>

#include "base/atomic.h"
#include "base/math.h"

#define RESIL__SLIDE_STALL_NS   RESIL_SEC(60)
#define RESIL__SLIDE_GENERATION UINT64_C(3)

/** A slot as one caller has read it. */
struct resil__slide_rule {
    uint64_t limit;
    uint64_t period_ns;
    uint64_t bits;
    uint64_t behind;
    uint64_t generation;
};

/** The state as it counts at a time. */
struct resil__slide {
    uint64_t index;   /* of the window that counts: of now, or newer */
    uint64_t left_ns; /* of that window, 1 to period */
    uint64_t before;
    uint64_t count;
};

static inline struct resil__slide_rule resil__slide_rule(const struct resil_window_slot_ *slot)
{
    return (struct resil__slide_rule){
        .limit = resil__load_acquire(&slot->limit_),
        .period_ns = resil__max(resil__load_acquire(&slot->period_ns_), 1),
        .bits = resil__load_acquire(&slot->bits_) & 31,
        .behind = resil__load_acquire(&slot->behind_),
        .generation = resil__load_acquire(&slot->generation_),
    };
}

static inline unsigned resil__slide_index_bits(uint64_t bits)
{
    return (unsigned)(62 - 2 * bits);
}

static inline uint64_t resil__slide_field(uint64_t word, uint64_t shift, uint64_t bits)
{
    return (word >> shift) & ((UINT64_C(1) << bits) - 1);
}

/** The state that a word stands for at a time. */
static inline struct resil__slide
resil__slide_at(uint64_t word, const struct resil__slide_rule *rule, uint64_t now_ns)
{
    unsigned unused = 64 - resil__slide_index_bits(rule->bits);
    struct resil__slide slide = {
        .index = now_ns / rule->period_ns,
        .count = resil__slide_field(word, 2, rule->bits),
        .before = resil__slide_field(word, 2 + rule->bits, rule->bits),
    };
    uint64_t stored = word >> (2 + 2 * rule->bits);
    /* How many windows now is ahead of the state, modulo 2^index bits; the upper half is
       negative. */
    uint64_t ahead = (slide.index - stored) << unused >> unused;
    uint64_t behind = (stored - slide.index) << unused >> unused;

    slide.left_ns = rule->period_ns - (now_ns - slide.index * rule->period_ns);
    if (ahead == 0)
        return slide;
    if (behind <= rule->behind && (slide.count | slide.before | stored) != 0) {
        slide.index += behind;
        slide.left_ns = rule->period_ns;
        return slide;
    }
    slide.before = ahead == 1 ? slide.count : 0;
    slide.count = 0;
    return slide;
}

static inline uint64_t resil__slide_word(const struct resil__slide *slide, uint64_t bits,
                                         uint64_t generation)
{
    return (slide->index << (2 + 2 * bits)) | (slide->before << (2 + bits)) | (slide->count << 2) |
           (generation & RESIL__SLIDE_GENERATION);
}

/** before * left / period <= room, without rounding. */
static inline bool resil__slide_weighs(uint64_t before, uint64_t left_ns, uint64_t period_ns,
                                       uint64_t room)
{
    struct resil__wide have;
    struct resil__wide may;

    if (before <= room)
        return true;
    have = resil__mul_wide(before, left_ns);
    may = resil__mul_wide(room, period_ns);
    return have.high != may.high ? have.high < may.high : have.low <= may.low;
}

static inline bool resil__slide_fits(const struct resil__slide *slide,
                                     const struct resil__slide_rule *rule, uint64_t cost)
{
    uint64_t taken = slide->count + cost;

    return taken <= rule->limit &&
           resil__slide_weighs(slide->before, slide->left_ns, rule->period_ns, rule->limit - taken);
}

/** The estimate, rounded up. */
static inline uint64_t resil__slide_used(const struct resil__slide *slide,
                                         const struct resil__slide_rule *rule)
{
    return slide->count + resil__mul_div_up(slide->before, slide->left_ns, rule->period_ns);
}

/** When a cost that doesn't fit will: later in this window, or in the next one. */
static inline uint64_t resil__slide_retry_at(const struct resil__slide *slide,
                                             const struct resil__slide_rule *rule, uint64_t cost)
{
    uint64_t start_ns = resil__mul_sat(slide->index, rule->period_ns);
    uint64_t fading = slide->before;
    uint64_t room = rule->limit - cost;

    if (slide->count > room) {
        fading = slide->count;
        start_ns = resil__add_sat(start_ns, rule->period_ns);
    } else {
        room -= slide->count;
    }
    if (fading <= room)
        return start_ns; /* unreachable: asked of a cost that doesn't fit, with more than room to fade */
    return resil__add_sat(start_ns,
                          rule->period_ns - resil__mul_div(room, rule->period_ns, fading));
}

/** The state under another config: see resil_window_reconfigure. */
static inline struct resil__slide resil__slide_converted(const struct resil__slide *slide,
                                                         const struct resil__slide_rule *from,
                                                         const struct resil__slide_rule *to,
                                                         uint64_t now_ns)
{
    if (from->period_ns == to->period_ns)
        return (struct resil__slide){
            .index = slide->index,
            .before = resil__min(slide->before, to->limit),
            .count = resil__min(slide->count, to->limit),
        };
    return (struct resil__slide){
        .index = now_ns / to->period_ns,
        .count = resil__min(resil__slide_used(slide, from), to->limit),
    };
}

#endif
