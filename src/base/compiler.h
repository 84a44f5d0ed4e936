/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BASE_COMPILER_H
#define RESIL_BASE_COMPILER_H

/*
 * What the compiler can be told. RESIL__HOT: begins a line of the cache, as a function of a few
 * dozen instructions takes a third longer where it straddles one more; by accident, and differently
 * after each change elsewhere. RESIL__UNINITIALISED: a large local whose parts are set before
 * they are read; where automatic variables are zeroed by a hardening flag, that would cost more
 * than the call.
 */

#if defined(__has_attribute)
#if __has_attribute(uninitialized)
#define RESIL__UNINITIALISED __attribute__((uninitialized))
#endif
#endif
#ifndef RESIL__UNINITIALISED
#define RESIL__UNINITIALISED
#endif

#if defined(__GNUC__)
#define RESIL__LIKELY(x)     __builtin_expect(!!(x), 1)
#define RESIL__UNLIKELY(x)   __builtin_expect(!!(x), 0)
#define RESIL__COLD          __attribute__((cold, noinline))
#define RESIL__NOINLINE      __attribute__((noinline))
#define RESIL__HOT           __attribute__((aligned(64)))
#define RESIL__INLINE        static inline __attribute__((always_inline))
#define RESIL__PREFETCH(p)   __builtin_prefetch((p), 1)
#define RESIL__UNREACHABLE() __builtin_unreachable()
#else
#define RESIL__LIKELY(x)   (x)
#define RESIL__UNLIKELY(x) (x)
#define RESIL__COLD
#define RESIL__NOINLINE
#define RESIL__HOT
#define RESIL__INLINE        static inline
#define RESIL__PREFETCH(p)   ((void)(p))
#define RESIL__UNREACHABLE() ((void)0)
#endif

#endif
