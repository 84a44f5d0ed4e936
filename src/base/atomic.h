/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BASE_ATOMIC_H
#define RESIL_BASE_ATOMIC_H

/*
 * The only door to atomics. Every operation carries its order in its name; there are no stand-alone
 * fences, which ThreadSanitizer doesn't model. Words are plain integers, so that public structs
 * stay free of _Atomic and can lie in shared mappings.
 *
 *   resil__load_relaxed    resil__load_acquire
 *   resil__store_relaxed   resil__store_release
 *   resil__cas             compare-and-swap, acquire and release on success, acquire on failure;
 *                          *expected receives what was there
 *   resil__add_relaxed     resil__add            fetch-and-add: returns the OLD value; add is
 *                          acq_rel
 *   resil__sub             resil__or             resil__xchg           acq_rel, return the old
 *                          value
 *   resil__load_seq        resil__store_seq      resil__sub_seq        sequentially consistent: for
 *   resil__add_seq         resil__cas_seq        the one pattern that needs it, write mine and
 *                          then read yours
 *
 * Suffix 32: the same for uint32_t. resil__load_ptr_acquire and resil__store_ptr_release take the
 * address of a pointer of any type.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/chaos.h"

#ifdef __cplusplus
#error "src/base is C only"
#endif

#if !defined(__GCC_ATOMIC_LLONG_LOCK_FREE) || __GCC_ATOMIC_LLONG_LOCK_FREE != 2
#error "64-bit words must be lock-free"
#endif

#define RESIL__ATOMIC_OPS(suffix, type)                                                            \
    static inline type resil__load_relaxed##suffix(const type *word)                               \
    {                                                                                              \
        resil__chaos();                                                                            \
        return __atomic_load_n(word, __ATOMIC_RELAXED);                                            \
    }                                                                                              \
    static inline type resil__load_acquire##suffix(const type *word)                               \
    {                                                                                              \
        resil__chaos();                                                                            \
        return __atomic_load_n(word, __ATOMIC_ACQUIRE);                                            \
    }                                                                                              \
    static inline void resil__store_relaxed##suffix(type *word, type value)                        \
    {                                                                                              \
        resil__chaos();                                                                            \
        __atomic_store_n(word, value, __ATOMIC_RELAXED);                                           \
    }                                                                                              \
    static inline void resil__store_release##suffix(type *word, type value)                        \
    {                                                                                              \
        resil__chaos();                                                                            \
        __atomic_store_n(word, value, __ATOMIC_RELEASE);                                           \
    }                                                                                              \
    static inline bool resil__cas##suffix(type *word, type *expected, type desired)                \
    {                                                                                              \
        resil__chaos();                                                                            \
        return __atomic_compare_exchange_n(word, expected, desired, false, __ATOMIC_ACQ_REL,       \
                                           __ATOMIC_ACQUIRE);                                      \
    }                                                                                              \
    static inline type resil__add_relaxed##suffix(type *word, type value)                          \
    {                                                                                              \
        resil__chaos();                                                                            \
        return __atomic_fetch_add(word, value, __ATOMIC_RELAXED);                                  \
    }                                                                                              \
    static inline type resil__add##suffix(type *word, type value)                                  \
    {                                                                                              \
        resil__chaos();                                                                            \
        return __atomic_fetch_add(word, value, __ATOMIC_ACQ_REL);                                  \
    }                                                                                              \
    static inline type resil__sub##suffix(type *word, type value)                                  \
    {                                                                                              \
        resil__chaos();                                                                            \
        return __atomic_fetch_sub(word, value, __ATOMIC_ACQ_REL);                                  \
    }                                                                                              \
    static inline type resil__load_seq##suffix(const type *word)                                   \
    {                                                                                              \
        resil__chaos();                                                                            \
        return __atomic_load_n(word, __ATOMIC_SEQ_CST);                                            \
    }                                                                                              \
    static inline void resil__store_seq##suffix(type *word, type value)                            \
    {                                                                                              \
        resil__chaos();                                                                            \
        __atomic_store_n(word, value, __ATOMIC_SEQ_CST);                                           \
    }                                                                                              \
    static inline type resil__sub_seq##suffix(type *word, type value)                              \
    {                                                                                              \
        resil__chaos();                                                                            \
        return __atomic_fetch_sub(word, value, __ATOMIC_SEQ_CST);                                  \
    }                                                                                              \
    static inline type resil__add_seq##suffix(type *word, type value)                              \
    {                                                                                              \
        return __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST);                                  \
    }                                                                                              \
    static inline bool resil__cas_seq##suffix(type *word, type *expected, type desired)            \
    {                                                                                              \
        return __atomic_compare_exchange_n(word, expected, desired, false, __ATOMIC_SEQ_CST,       \
                                           __ATOMIC_ACQUIRE);                                      \
    }                                                                                              \
    static inline type resil__or##suffix(type *word, type value)                                   \
    {                                                                                              \
        resil__chaos();                                                                            \
        return __atomic_fetch_or(word, value, __ATOMIC_ACQ_REL);                                   \
    }                                                                                              \
    static inline type resil__xchg##suffix(type *word, type value)                                 \
    {                                                                                              \
        resil__chaos();                                                                            \
        return __atomic_exchange_n(word, value, __ATOMIC_ACQ_REL);                                 \
    }

RESIL__ATOMIC_OPS(, uint64_t)
RESIL__ATOMIC_OPS(32, uint32_t)

#undef RESIL__ATOMIC_OPS

#define resil__load_ptr_acquire(pointer)                                                           \
    (resil__chaos(), __atomic_load_n(pointer, __ATOMIC_ACQUIRE))
#define resil__store_ptr_release(pointer, value)                                                   \
    (resil__chaos(), __atomic_store_n(pointer, value, __ATOMIC_RELEASE))

#endif
