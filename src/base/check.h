/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BASE_CHECK_H
#define RESIL_BASE_CHECK_H

/*
 * Validating a config: each helper writes one line that names the field, its value and the legal
 * range, and returns RESIL_EINVAL; or returns RESIL_OK and leaves the line alone.
 *
 *     "failure_pct is 150: must be 1 to 100 (0 = default, RESIL_OFF = off)"
 */

#include <resil/common.h>
#include <resil/status.h>

/** Where the line goes. text may be NULL. */
struct resil__why {
    char *text;
    size_t size;
};

/** A field that has a default: 0 passes. */
int resil__check_range(struct resil__why why, const char *field, uint64_t value, uint64_t low,
                       uint64_t high);

/** A field of a rule that can be switched off: 0 and RESIL_OFF pass. */
int resil__check_optional(struct resil__why why, const char *field, uint64_t value, uint64_t low,
                          uint64_t high);

/** A field without a default: 0 fails like any other value out of range. */
int resil__check_required(struct resil__why why, const char *field, uint64_t value, uint64_t low,
                          uint64_t high);

/** A mask of results that went wrong: 0 passes; NONE, SUCCESS and what is no outcome don't. */
int resil__check_outcomes(struct resil__why why, const char *field, uint64_t mask);

/** A rule of its own: writes "field: what" and returns RESIL_EINVAL. */
int resil__check_fail(struct resil__why why, const char *field, const char *what);

/** The value of a config field: the default for 0. */
static inline uint64_t resil__default(uint64_t value, uint64_t fallback)
{
    return value == 0 ? fallback : value;
}

/** The value of an optional field: the default for 0, 0 for RESIL_OFF. */
static inline uint64_t resil__optional(uint64_t value, uint64_t fallback)
{
    return value == RESIL_OFF ? 0 : resil__default(value, fallback);
}

#endif
