/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The three dates of HTTP, without a locale and without timegm:
 *
 *     Sun, 06 Nov 1994 08:49:37 GMT     IMF-fixdate
 *     Sunday, 06-Nov-94 08:49:37 GMT    RFC 850, obsolete
 *     Sun Nov  6 08:49:37 1994          asctime, obsolete
 *
 * Each reader takes a cursor and returns it moved on, or NULL; a NULL cursor stays NULL, so that
 * the readers can be chained without a test after each. The name of the day has to be one but isn't
 * compared with the date.
 */
#include "outcome/http_date.h"

#include <stddef.h>
#include <string.h>

struct date {
    unsigned year, month, day; /* month 0 to 11, day from 1 */
    unsigned hour, minute, second;
};

static const char *literal(const char *at, const char *text)
{
    if (at == NULL || strncmp(at, text, strlen(text)) != 0)
        return NULL;
    return at + strlen(text);
}

/* Exactly count digits, read into *value, which is 0 before. */
static const char *number(const char *at, int count, unsigned *value)
{
    for (int i = 0; at != NULL && i < count; i++) {
        if (*at < '0' || *at > '9')
            return NULL;
        *value = *value * 10 + (unsigned)(*at++ - '0');
    }
    return at;
}

/* One of the names; the longest first where one begins another. */
static const char *one_of(const char *at, const char *const *names, unsigned count, unsigned *which)
{
    for (unsigned i = 0; at != NULL && i < count; i++) {
        if (literal(at, names[i]) != NULL) {
            *which = i;
            return literal(at, names[i]);
        }
    }
    return NULL;
}

static const char *month(const char *at, unsigned *which)
{
    static const char *const names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

    return one_of(at, names, 12, which);
}

static const char *time_of_day(const char *at, struct date *date)
{
    at = literal(number(at, 2, &date->hour), ":");
    at = literal(number(at, 2, &date->minute), ":");
    return number(at, 2, &date->second);
}

static const char *imf_fixdate(const char *at, struct date *date)
{
    at = literal(number(literal(at, ", "), 2, &date->day), " ");
    at = literal(month(at, &date->month), " ");
    at = literal(number(at, 4, &date->year), " ");
    return literal(time_of_day(at, date), " GMT");
}

static const char *rfc850(const char *at, struct date *date)
{
    at = literal(number(literal(at, ", "), 2, &date->day), "-");
    at = literal(month(at, &date->month), "-");
    at = literal(number(at, 2, &date->year), " ");
    return literal(time_of_day(at, date), " GMT");
}

static const char *asctime_date(const char *at, struct date *date)
{
    const char *day;

    at = literal(month(literal(at, " "), &date->month), " ");
    day = literal(at, " ");
    at = day != NULL ? number(day, 1, &date->day) : number(at, 2, &date->day);
    at = literal(time_of_day(literal(at, " "), date), " ");
    return number(at, 4, &date->year);
}

static bool is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* 60 is a leap second. */
static bool is_valid(const struct date *date)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned last = days[date->month] + (date->month == 1 && is_leap(date->year) ? 1u : 0u);

    return date->day >= 1 && date->day <= last && date->hour <= 23 && date->minute <= 59 &&
           date->second <= 60;
}

/* Days of the Gregorian calendar; 719,528 from the first of January of the year 0 to that of
   1970. */
static int64_t to_epoch(const struct date *date)
{
    static const short before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t past = (int64_t)date->year - 1; /* whole years since the year 1 */
    int64_t days = 366 + past * 365 + past / 4 - past / 100 + past / 400;

    if (date->year == 0)
        days = 0;
    days += before[date->month] + (date->month > 1 && is_leap(date->year));
    days += (int64_t)date->day - 1 - 719528;
    return ((days * 24 + date->hour) * 60 + date->minute) * 60 + date->second;
}

/*
 * RFC 9110 5.6.7: a year of two digits is never more than 50 years ahead, else it is the most
 * recent one in the past with these digits. The mean Gregorian year is 31,556,952 s. At most 100
 * rounds.
 */
static void choose_century(struct date *date, int64_t wall_s)
{
    const int64_t fifty_years = INT64_C(50) * 31556952;
    int64_t latest = wall_s > INT64_MAX - fifty_years ? INT64_MAX : wall_s + fifty_years;

    date->year += 9900;
    while (date->year >= 100 && to_epoch(date) > latest)
        date->year -= 100;
}

const char *resil__http_date(const char *text, int64_t wall_s, int64_t *epoch_s)
{
    static const char *const names[] = {"Monday",   "Tuesday", "Wednesday", "Thursday", "Friday",
                                        "Saturday", "Sunday",  "Mon",       "Tue",      "Wed",
                                        "Thu",      "Fri",     "Sat",       "Sun"};
    struct date date = {0};
    unsigned name = 0;
    const char *rest = one_of(text, names, 14, &name);
    const char *end;

    if (rest == NULL)
        return NULL;
    if (name < 7) {
        end = rfc850(rest, &date);
        if (end != NULL)
            choose_century(&date, wall_s);
    } else {
        end = *rest == ',' ? imf_fixdate(rest, &date) : asctime_date(rest, &date);
    }
    if (end == NULL || !is_valid(&date))
        return NULL;
    *epoch_s = to_epoch(&date);
    return end;
}
