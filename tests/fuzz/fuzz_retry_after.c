/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Retry-After, any text: the outcome is that of the table, a hint is a whole number of seconds up
 * to a day, digits are read as digits, and what is taken for a date is one to the C library, too,
 * and the same one. A date that was written by the C library is read.
 */
#define _GNU_SOURCE /* strptime, timegm */
#include <resil/resil.h>

#include <time.h>

#include "take.h"

#define DAY_S 86400

#ifdef FUZZ_CONTROL
/* A twin that forgets the limit of a day. */
static enum resil_outcome twin(int status, const char *text, int64_t wall_s, uint64_t *hint_ns)
{
    enum resil_outcome outcome = resil_outcome_from_http_status(status, text, wall_s, hint_ns);

    if (*hint_ns == RESIL_SEC(DAY_S))
        *hint_ns += RESIL_SEC(1);
    return outcome;
}
#define resil_outcome_from_http_status twin
#endif

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

/* True when the text is decimal seconds. */
static bool is_seconds(const char *text, uint64_t *seconds)
{
    const char *start = skip_blanks(text);
    size_t digits = strspn(start, "0123456789");

    if (digits == 0 || *skip_blanks(start + digits) != '\0')
        return false;
    start += strspn(start, "0");
    *seconds = strspn(start, "0123456789") > 9 ? DAY_S : strtoull(start, NULL, 10);
    if (*seconds > DAY_S)
        *seconds = DAY_S;
    return true;
}

/* True when the C library takes the text for a date. It doesn't for the century: a year of two
   digits is that of the wall clock's century, or one before or after it. */
static bool is_date(const char *text, int64_t wall_s, uint64_t hint_s)
{
    static const char *const formats[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                          "%a %b %d %H:%M:%S %Y"};

    for (unsigned i = 0; i < 3; i++) {
        struct tm tm = {0};
        const char *end = strptime(skip_blanks(text), formats[i], &tm);
        int64_t ahead_s;

        if (end == NULL || *skip_blanks(end) != '\0')
            continue;
        if (i == 1)
            return true;
        ahead_s = (int64_t)timegm(&tm);
        if (wall_s >= ahead_s)
            return hint_s == 0;
        return hint_s == ((uint64_t)ahead_s - (uint64_t)wall_s < DAY_S
                              ? (uint64_t)ahead_s - (uint64_t)wall_s
                              : DAY_S);
    }
    return false;
}

static enum resil_outcome expected(int status, bool readable)
{
    if (status >= 200 && status <= 399)
        return RESIL_SUCCESS;
    if (status == 408)
        return RESIL_TIMEOUT;
    if (status == 425)
        return RESIL_NOT_SENT;
    if (status == 429 || (status == 503 && readable))
        return RESIL_OVERLOAD;
    if (status >= 400 && status <= 499)
        return RESIL_CALLER;
    return status == 501 || status == 505 ? RESIL_PERMANENT : RESIL_FAILURE;
}

static void check_text(int status, const char *text, int64_t wall_s)
{
    uint64_t hint_ns = 1, seconds = 0;
    /* 503 is OVERLOAD for what can be read alone. */
    bool readable = resil_outcome_from_http_status(503, text, wall_s, &hint_ns) == RESIL_OVERLOAD;

    if (is_seconds(text, &seconds))
        FUZZ_CHECK(readable && hint_ns == RESIL_SEC(seconds));
    else
        FUZZ_CHECK(!readable || is_date(text, wall_s, hint_ns / RESIL_SEC(1)));
    FUZZ_CHECK(hint_ns % RESIL_SEC(1) == 0 && hint_ns <= RESIL_SEC(DAY_S));
    FUZZ_CHECK(readable || hint_ns == 0);
    seconds = hint_ns;
    FUZZ_CHECK(resil_outcome_from_http_status(status, text, wall_s, &hint_ns) ==
               expected(status, readable));
    FUZZ_CHECK(hint_ns == (expected(status, readable) == RESIL_OVERLOAD ? seconds : 0));
    hint_ns = 1;
    FUZZ_CHECK(resil_outcome_from_http_status(status, NULL, wall_s, &hint_ns) ==
                   expected(status, false) &&
               hint_ns == 0);
}

static void check_written(int64_t wall_s, int64_t ahead_s, unsigned format)
{
    time_t when = (time_t)(wall_s + ahead_s);
    uint64_t hint_ns = 1;
    char text[64];
    struct tm tm;
    size_t size;

    if (gmtime_r(&when, &tm) == NULL || tm.tm_year < 0 || tm.tm_year > 9999 - 1900)
        return;
    if (format == 0)
        size = strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    else if (format == 1)
        size = strftime(text, sizeof text, "%A, %d-%b-%C %H:%M:%S GMT", &tm);
    else
        size = strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &tm);
    FUZZ_CHECK(size > 0);
    if (format == 1) { /* %y, which compilers warn of, in place of the century */
        char *year = strchr(text, '-') + 5;

        year[0] = (char)('0' + tm.tm_year % 100 / 10);
        year[1] = (char)('0' + tm.tm_year % 10);
    }
    FUZZ_CHECK(resil_outcome_from_http_status(429, text, wall_s, &hint_ns) == RESIL_OVERLOAD);
    FUZZ_CHECK(hint_ns == (ahead_s > 0 ? RESIL_SEC(ahead_s < DAY_S ? ahead_s : DAY_S) : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_bytes bytes = {.at = data, .left = size};
    static const int statuses[] = {429, 503, 408, 425, 200, 404, 500, 501};
    uint8_t how = (uint8_t)take(&bytes, 1);
    int status = (how & 8) != 0 ? (int)(uint32_t)take(&bytes, 4) : statuses[how & 7];
    int64_t wall_s = (how & 16) != 0 ? (int64_t)take(&bytes, 8) : INT64_C(1700000000);
    char *text;

    if ((how & 32) != 0) {
        wall_s = (int64_t)(take(&bytes, 8) % UINT64_C(253402300800));
        check_written(wall_s, (int64_t)take(&bytes, 3) - (1 << 23),
                      (unsigned)take_below(&bytes, 3));
        return 0;
    }
    text = malloc(bytes.left + 1);
    FUZZ_CHECK(text != NULL);
    memcpy(text, bytes.at, bytes.left);
    text[bytes.left] = '\0';
    check_text(status, text, wall_s);
    free(text);
    return 0;
}
