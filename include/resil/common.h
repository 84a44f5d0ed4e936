/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_COMMON_H
#define RESIL_COMMON_H

/*
 * What every header of the library shares: linkage, units of time, and the two values with a
 * meaning of their own.
 *
 * Time is one unit everywhere: unsigned nanoseconds of a monotonic clock. A field or argument that
 * ends in _ns is either a point on that clock (now_ns, deadline_ns) or a span of it (open_ns).
 *
 * Configuration: in every config struct 0 means the default that is documented at the field, so
 * that a designated initialiser names only what differs; a field without a default says so, and
 * refuses 0. Where a rule can be switched off, RESIL_OFF does it.
 *
 * Names: `struct resil_x_snapshot` and the function resil_x_snapshot share their name, as stat
 * does. C keeps the two apart, and so does C++ as long as one writes `struct`. Of g++'s warnings
 * only -Wshadow minds, because such a function hides the struct's constructor; these structs have
 * none that anybody calls, so the headers switch that warning off for themselves.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) && !defined(__clang__)
#define RESIL_QUIET_ _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wshadow\"")
#define RESIL_LOUD_  _Pragma("GCC diagnostic pop")
#else
#define RESIL_QUIET_
#define RESIL_LOUD_
#endif

#ifdef __cplusplus
#define RESIL_BEGIN_DECLS                                                                          \
    RESIL_QUIET_ extern "C"                                                                        \
    {
#define RESIL_END_DECLS                                                                            \
    }                                                                                              \
    RESIL_LOUD_
#else
#define RESIL_BEGIN_DECLS
#define RESIL_END_DECLS
#endif

#if defined(__GNUC__)
#define RESIL_API __attribute__((visibility("default")))
#else
#define RESIL_API
#endif

/** Spans of time in nanoseconds: RESIL_MS(250) is a quarter of a second. */
#define RESIL_US(n)  ((uint64_t)(n)*UINT64_C(1000))
#define RESIL_MS(n)  ((uint64_t)(n)*UINT64_C(1000000))
#define RESIL_SEC(n) ((uint64_t)(n)*UINT64_C(1000000000))

/** A point in time that is never reached: no deadline, nothing to wait for. */
#define RESIL_NEVER UINT64_MAX

/** Switches an optional rule of a config off. */
#define RESIL_OFF UINT64_MAX

#endif
