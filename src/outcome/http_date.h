/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_OUTCOME_HTTP_DATE_H
#define RESIL_OUTCOME_HTTP_DATE_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Reads an HTTP-date in any of the three formats of RFC 9110 5.6.7.
 *
 * @param text     NUL-terminated, without leading blanks.
 * @param wall_s   the wall clock in seconds since 1970-01-01 UTC: decides the century of a year of
 *                 two digits.
 * @param epoch_s  receives the date on the same scale; untouched on failure.
 * @return the first character after the date; NULL when there is no date at text.
 */
const char *resil__http_date(const char *text, int64_t wall_s, int64_t *epoch_s);

#endif
