/* SPDX-License-Identifier: BSD-2-Clause */
#include <resil/outcome.h>

#include "outcome/http_date.h"

#define HINT_S_MAX UINT64_C(86400) /* no peer may silence us for more than a day */

static const char *skip_blanks(const char *at)
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

/* Decimal seconds; stops growing at the most that a hint can be, so no digits overflow. */
static const char *delay_seconds(const char *at, uint64_t *seconds)
{
    *seconds = 0;
    if (*at < '0' || *at > '9')
        return NULL;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (*seconds < HINT_S_MAX)
            *seconds = *seconds * 10 + (uint64_t)(*at - '0');
    }
    return at;
}

static uint64_t seconds_until(int64_t date_s, int64_t wall_s)
{
    return date_s > wall_s ? (uint64_t)date_s - (uint64_t)wall_s : 0;
}

/* True when the text is a Retry-After value and nothing else. */
static bool read_retry_after(const char *text, int64_t wall_s, uint64_t *hint_ns)
{
    const char *start = skip_blanks(text);
    uint64_t seconds = 0;
    int64_t date_s = 0;
    const char *end = delay_seconds(start, &seconds);

    if (end == NULL) {
        end = resil__http_date(start, wall_s, &date_s);
        if (end == NULL)
            return false;
        seconds = seconds_until(date_s, wall_s);
    }
    if (*skip_blanks(end) != '\0')
        return false;
    *hint_ns = RESIL_SEC(seconds < HINT_S_MAX ? seconds : HINT_S_MAX);
    return true;
}

static enum resil_outcome classify(int status, bool readable)
{
    switch (status) {
    case 408:
        return RESIL_TIMEOUT;
    case 425:
        return RESIL_NOT_SENT;
    case 429:
        return RESIL_OVERLOAD;
    case 503:
        return readable ? RESIL_OVERLOAD : RESIL_FAILURE;
    case 501:
    case 505:
        return RESIL_PERMANENT;
    default:
        break;
    }
    if (status >= 200 && status < 400)
        return RESIL_SUCCESS;
    return status >= 400 && status < 500 ? RESIL_CALLER : RESIL_FAILURE;
}

enum resil_outcome resil_outcome_from_http_status(int status, const char *retry_after_text,
                                                  int64_t wall_s, uint64_t *hint_ns)
{
    uint64_t hint = 0;
    bool readable = retry_after_text != NULL && read_retry_after(retry_after_text, wall_s, &hint);
    enum resil_outcome outcome = classify(status, readable);

    if (hint_ns != NULL)
        *hint_ns = outcome == RESIL_OVERLOAD ? hint : 0;
    return outcome;
}
