/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/outcomes.h"

static int fail_range(struct resil__why why, const char *field, uint64_t value, uint64_t low,
                      uint64_t high, const char *also)
{
    char shown[24];

    if (why.text == NULL || why.size == 0)
        return RESIL_EINVAL;
    if (value == RESIL_OFF)
        (void)snprintf(shown, sizeof shown, "RESIL_OFF");
    else
        (void)snprintf(shown, sizeof shown, "%" PRIu64, value);
    (void)snprintf(why.text, why.size, "%s is %s: must be %" PRIu64 " to %" PRIu64 "%s", field,
                   shown, low, high, also);
    return RESIL_EINVAL;
}

int resil__check_range(struct resil__why why, const char *field, uint64_t value, uint64_t low,
                       uint64_t high)
{
    if (value == 0 || (value >= low && value <= high))
        return RESIL_OK;
    return fail_range(why, field, value, low, high, " (0 = default)");
}

int resil__check_optional(struct resil__why why, const char *field, uint64_t value, uint64_t low,
                          uint64_t high)
{
    if (value == 0 || value == RESIL_OFF || (value >= low && value <= high))
        return RESIL_OK;
    return fail_range(why, field, value, low, high, " (0 = default, RESIL_OFF = off)");
}

int resil__check_required(struct resil__why why, const char *field, uint64_t value, uint64_t low,
                          uint64_t high)
{
    if (value >= low && value <= high)
        return RESIL_OK;
    return fail_range(why, field, value, low, high, "");
}

int resil__check_fail(struct resil__why why, const char *field, const char *what)
{
    if (why.text != NULL && why.size > 0)
        (void)snprintf(why.text, why.size, "%s: %s", field, what);
    return RESIL_EINVAL;
}

int resil__check_outcomes(struct resil__why why, const char *field, uint64_t mask)
{
    if ((mask & ~RESIL__OUTCOMES_WRONG) == 0)
        return RESIL_OK;
    return resil__check_fail(why, field, "must be bits of FAILURE to REFUSED (RESIL_OUTCOME_BIT)");
}
