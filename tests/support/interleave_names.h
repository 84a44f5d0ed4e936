/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_INTERLEAVE_NAMES_H
#define RESIL_INTERLEAVE_NAMES_H

/* A part of interleave.h: the names of base/atomic.h and base/contend.h. */

#define resil__load_relaxed(word)         interleave_load(word, __func__)
#define resil__load_acquire(word)         interleave_load(word, __func__)
#define resil__load_seq(word)             interleave_load(word, __func__)
#define resil__store_relaxed(word, value) interleave_store(word, value, true, __func__)
#define resil__store_release(word, value) interleave_store(word, value, false, __func__)
#define resil__store_seq(word, value)     interleave_seq(interleave_xchg(word, value, __func__))
#define resil__xchg(word, value)          interleave_xchg(word, value, __func__)
#define resil__add_relaxed(word, value)   interleave_add(word, value, __func__)
#define resil__add(word, value)           interleave_add(word, value, __func__)
#define resil__add_seq(word, value)       interleave_seq(interleave_add(word, value, __func__))
#define resil__sub(word, value)           interleave_add(word, -(uint64_t)(value), __func__)
#define resil__sub_seq(word, value)                                                                \
    interleave_seq(interleave_add(word, -(uint64_t)(value), __func__))
#define resil__or(word, value)              interleave_or(word, value, __func__)
#define resil__cas(word, expected, desired) interleave_cas(word, expected, desired, __func__)
#define resil__cas_seq(word, expected, want)                                                       \
    interleave_seq(interleave_cas(word, expected, want, __func__))
#define resil__load_relaxed32(word)           interleave_load32(word, __func__)
#define resil__load_acquire32(word)           interleave_load32(word, __func__)
#define resil__load_seq32(word)               interleave_load32(word, __func__)
#define resil__store_relaxed32(word, value)   interleave_store32(word, value, true, __func__)
#define resil__store_release32(word, value)   interleave_store32(word, value, false, __func__)
#define resil__store_seq32(word, value)       interleave_seq(interleave_xchg32(word, value, __func__))
#define resil__xchg32(word, value)            interleave_xchg32(word, value, __func__)
#define resil__add32(word, value)             interleave_add32(word, value, __func__)
#define resil__sub32(word, value)             interleave_add32(word, -(uint32_t)(value), __func__)
#define resil__or32(word, value)              interleave_or32(word, value, __func__)
#define resil__cas32(word, expected, desired) interleave_cas32(word, expected, desired, __func__)
#define resil__load_ptr_acquire(pointer)      (interleave_load_pointer(pointer, __func__), *(pointer))
#define resil__store_ptr_release(pointer, value)                                                   \
    interleave_store_pointer((void *)(pointer), (value), __func__)

struct resil__contend {
    int unused;
};

#define RESIL__CONTEND                                                                             \
    {                                                                                              \
        0                                                                                          \
    }

/* Who lost a swap to another tries again at once; who finds nothing new waits for a write. */
static inline void resil__contend(struct resil__contend *contend)
{
    (void)contend;
    if (interleave.running && !interleave.news[interleave.current])
        interleave_yield(FIBER_SPINNING);
    interleave.news[interleave.current] = false;
}

#endif
