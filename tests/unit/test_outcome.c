/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <errno.h>

#include <resil/outcome.h>

#define WALL INT64_C(784111777) /* Sun, 06 Nov 1994 08:49:37 GMT */

static uint64_t hint_of(int status, const char *text, int64_t wall_s)
{
    uint64_t hint = 12345;

    (void)resil_outcome_from_http_status(status, text, wall_s, &hint);
    return hint;
}

/* The seconds that a date lies ahead, through a 429, which keeps its outcome with any text. */
static uint64_t seconds_to(const char *date, int64_t wall_s)
{
    return hint_of(429, date, wall_s) / RESIL_SEC(1);
}

static bool readable(const char *text)
{
    return resil_outcome_from_http_status(503, text, WALL, NULL) == RESIL_OVERLOAD;
}

static void outcome_str_names_every_outcome(void **state)
{
    int count = 0;

    (void)state;
#define EXPECT(name, value, text)                                                                  \
    assert_string_equal(resil_outcome_str(name), text);                                            \
    assert_int_equal(name, value);                                                                 \
    count++;
    RESIL_OUTCOME_LIST(EXPECT)
#undef EXPECT
    assert_int_equal(count, RESIL_OUTCOMES);
    assert_string_equal(resil_outcome_str((enum resil_outcome)11), "unknown outcome");
    assert_string_equal(resil_outcome_str((enum resil_outcome)99), "unknown outcome");
}

static void errno_of_a_connection_that_was_not_made_is_not_sent(void **state)
{
    static const int values[] = {ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, EHOSTDOWN,
                                 ENETDOWN,     ETIMEDOUT,   ENOENT,       ECONNRESET,
                                 EPIPE,        ENOTCONN,    EIO};

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_int_equal(resil_outcome_from_errno(values[i], false), RESIL_NOT_SENT);
}

static void errno_of_a_connection_lost_after_sending_is_a_failure(void **state)
{
    static const int values[] = {ECONNRESET, EPIPE, ENOTCONN, ESHUTDOWN, EIO, 123456, -1};

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_int_equal(resil_outcome_from_errno(values[i], true), RESIL_FAILURE);
    assert_int_equal(resil_outcome_from_errno(ETIMEDOUT, true), RESIL_TIMEOUT);
}

static void errno_of_our_own_resources_is_local(void **state)
{
    static const int values[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL};

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_int_equal(resil_outcome_from_errno(values[i], false), RESIL_LOCAL);
        assert_int_equal(resil_outcome_from_errno(values[i], true), RESIL_LOCAL);
    }
}

static void errno_that_stays_wrong_is_permanent(void **state)
{
    static const int values[] = {EACCES, EPERM, EINVAL, EAFNOSUPPORT, EPROTONOSUPPORT, EPROTO};

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_int_equal(resil_outcome_from_errno(values[i], false), RESIL_PERMANENT);
        assert_int_equal(resil_outcome_from_errno(values[i], true), RESIL_PERMANENT);
    }
}

static void errno_that_ends_nothing_is_none(void **state)
{
    static const int values[] = {EINTR, EAGAIN, EWOULDBLOCK, EINPROGRESS, EALREADY};

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_int_equal(resil_outcome_from_errno(values[i], true), RESIL_NONE);
    assert_int_equal(resil_outcome_from_errno(0, true), RESIL_SUCCESS);
    assert_int_equal(resil_outcome_from_errno(0, false), RESIL_SUCCESS);
    assert_int_equal(resil_outcome_from_errno(ECANCELED, true), RESIL_CANCELLED);
}

static enum resil_outcome expected_http(int status)
{
    switch (status) {
    case 408:
        return RESIL_TIMEOUT;
    case 425:
        return RESIL_NOT_SENT;
    case 429:
        return RESIL_OVERLOAD;
    case 501:
    case 505:
        return RESIL_PERMANENT;
    default:
        break;
    }
    if (status >= 200 && status <= 399)
        return RESIL_SUCCESS;
    if (status >= 400 && status <= 499)
        return RESIL_CALLER;
    return RESIL_FAILURE;
}

static void http_reads_every_status_as_its_table_says(void **state)
{
    (void)state;
    for (int status = -10; status < 1000; status++)
        assert_int_equal(resil_outcome_from_http_status(status, NULL, WALL, NULL),
                         expected_http(status));
    assert_int_equal(resil_outcome_from_http_status(INT32_MAX, NULL, 0, NULL), RESIL_FAILURE);
    assert_int_equal(resil_outcome_from_http_status(INT32_MIN, NULL, 0, NULL), RESIL_FAILURE);
}

static void http_503_is_overload_only_with_a_readable_retry_after(void **state)
{
    (void)state;
    assert_int_equal(resil_outcome_from_http_status(503, NULL, WALL, NULL), RESIL_FAILURE);
    assert_int_equal(resil_outcome_from_http_status(503, "soon", WALL, NULL), RESIL_FAILURE);
    assert_int_equal(resil_outcome_from_http_status(503, "0", WALL, NULL), RESIL_OVERLOAD);
    assert_int_equal(resil_outcome_from_http_status(429, "soon", WALL, NULL), RESIL_OVERLOAD);
}

static void http_sets_the_hint_for_overload_alone(void **state)
{
    (void)state;
    assert_int_equal(hint_of(429, "7", WALL), RESIL_SEC(7));
    assert_int_equal(hint_of(503, "7", WALL), RESIL_SEC(7));
    assert_int_equal(hint_of(429, NULL, WALL), 0);
    assert_int_equal(hint_of(429, "soon", WALL), 0);
    assert_int_equal(hint_of(200, "7", WALL), 0);
    assert_int_equal(hint_of(301, "7", WALL), 0);
    assert_int_equal(hint_of(413, "7", WALL), 0);
    assert_int_equal(hint_of(500, "7", WALL), 0);
}

static void retry_after_seconds_are_clamped_to_a_day(void **state)
{
    (void)state;
    assert_int_equal(seconds_to("86399", WALL), 86399);
    assert_int_equal(seconds_to("86400", WALL), 86400);
    assert_int_equal(seconds_to("86401", WALL), 86400);
    assert_int_equal(seconds_to("18446744073709551617", WALL), 86400);
    assert_int_equal(seconds_to("99999999999999999999999999999999999999999999999", WALL), 86400);
    assert_int_equal(seconds_to("00000000000000000000000000000000000000000000012", WALL), 12);
}

static void retry_after_skips_blanks_around_the_value(void **state)
{
    (void)state;
    assert_int_equal(seconds_to(" \t120 \t", WALL), 120);
    assert_int_equal(seconds_to("  Sun, 06 Nov 1994 08:49:47 GMT  ", WALL), 10);
}

static void retry_after_ignores_what_it_can_not_read(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "0x10",
        "12 0",
        "120s",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Wed, 29 Feb 1995 08:49:37 GMT",
        "Wed, 29 Feb 1900 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT tomorrow",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 06 08:49:37 94",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov  6 08:4",
        "Sun",
        "Sunday",
        "Sun,",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (readable(texts[i]))
            fail_msg("was read: '%s'", texts[i]);
        assert_int_equal(hint_of(429, texts[i], 0), 0);
    }
}

static void retry_after_reads_the_three_dates(void **state)
{
    (void)state;
    assert_int_equal(seconds_to("Sun, 06 Nov 1994 08:50:37 GMT", WALL), 60);
    assert_int_equal(seconds_to("Sunday, 06-Nov-94 08:50:37 GMT", WALL), 60);
    assert_int_equal(seconds_to("Sun Nov  6 08:50:37 1994", WALL), 60);
    assert_int_equal(seconds_to("Mon Nov 14 08:49:37 1994", WALL + 8 * 86400 - 5), 5);
    assert_true(readable("Sun, 06 Nov 1994 08:49:60 GMT"));
}

static void retry_after_reads_leap_days_and_the_edges_of_the_calendar(void **state)
{
    (void)state;
    assert_int_equal(seconds_to("Thu, 01 Jan 1970 00:00:01 GMT", 0), 1);
    assert_int_equal(seconds_to("Tue, 29 Feb 2000 00:00:00 GMT", INT64_C(951782399)), 1);
    assert_int_equal(seconds_to("Wed, 01 Mar 2000 00:00:00 GMT", INT64_C(951868799)), 1);
    assert_int_equal(seconds_to("Sun, 01 Mar 2100 00:00:00 GMT", INT64_C(4107542399)), 1);
    assert_int_equal(seconds_to("Fri, 31 Dec 9999 23:59:59 GMT", INT64_C(253402300798)), 1);
    assert_int_equal(seconds_to("Sat, 01 Jan 0000 00:00:00 GMT", INT64_C(-62167219201)), 1);
    assert_int_equal(seconds_to("Mon, 01 Jan 0001 00:00:00 GMT", INT64_C(-62135596801)), 1);
    assert_true(readable("Thu, 29 Feb 1996 00:00:00 GMT"));
}

static void retry_after_of_a_date_in_the_past_is_no_wait(void **state)
{
    (void)state;
    assert_int_equal(seconds_to("Sun, 06 Nov 1994 08:49:37 GMT", WALL), 0);
    assert_int_equal(seconds_to("Sun, 06 Nov 1994 08:49:36 GMT", WALL), 0);
    assert_true(readable("Sun, 06 Nov 1984 08:49:37 GMT"));
}

static void retry_after_survives_any_wall_clock(void **state)
{
    static const int64_t walls[] = {INT64_MIN, INT64_MIN + 1, -1, 0, INT64_MAX - 1, INT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof walls / sizeof *walls; i++) {
        assert_true(seconds_to("Sun, 06 Nov 1994 08:49:37 GMT", walls[i]) <= 86400);
        assert_true(seconds_to("Sunday, 06-Nov-94 08:49:37 GMT", walls[i]) <= 86400);
    }
    assert_int_equal(seconds_to("Sun, 06 Nov 1994 08:49:37 GMT", INT64_MIN), 86400);
    assert_int_equal(seconds_to("Sun, 06 Nov 1994 08:49:37 GMT", INT64_MAX), 0);
}

/* RFC 9110 5.6.7: more than 50 years ahead means the past. WALL lies in 1994. */
static void retry_after_gives_two_digits_the_century_of_the_rfc(void **state)
{
    const int64_t year_2099 = INT64_C(4070908799); /* Wed, 31 Dec 2098 23:59:59 GMT */

    (void)state;
    assert_int_equal(seconds_to("Saturday, 01-Jan-44 00:00:00 GMT", WALL), 86400);  /* 2044 */
    assert_int_equal(seconds_to("Monday, 01-Jan-45 00:00:00 GMT", WALL), 0);        /* 1945 */
    assert_int_equal(seconds_to("Thursday, 01-Jan-99 00:00:00 GMT", year_2099), 1); /* 2099 */
    assert_int_equal(seconds_to("Saturday, 01-Jan-00 00:00:00 GMT", year_2099), 86400);
    assert_int_equal(seconds_to("Saturday, 01-Jan-00 00:00:00 GMT", INT64_C(4102444790)), 10);
}

/* The calendar against itself: walking a year day by day, each date is one day after the last. */
static void retry_after_counts_the_days_of_a_leap_year(void **state)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t midnight = INT64_C(1704067200); /* 2024-01-01 */

    (void)state;
    for (int month = 0; month < 12; month++) {
        for (int day = 1; day <= days[month]; day++) {
            char text[64];

            (void)snprintf(text, sizeof text, "Mon, %02d %s 2024 00:00:09 GMT", day, months[month]);
            assert_int_equal(seconds_to(text, midnight), 9);
            midnight += 86400;
        }
    }
}

/* Any bytes are harmless: run under the sanitizers. */
static void retry_after_survives_random_text(void **state)
{
    static const char letters[] = "0123456789 :,-+SunMonNovGMTJa\t.";
    uint64_t seed = test_seed(11);

    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[40] = "Sun, 06 Nov 1994 08:49:37 GMT";
        uint64_t flips = test_below(&seed, 4);

        for (uint64_t flip = 0; flip < flips; flip++)
            text[test_below(&seed, 30)] = letters[test_below(&seed, sizeof letters - 1)];
        text[test_below(&seed, 40)] = '\0';
        assert_true(seconds_to(text, (int64_t)test_random(&seed)) <= 86400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcome_str_names_every_outcome),
        cmocka_unit_test(errno_of_a_connection_that_was_not_made_is_not_sent),
        cmocka_unit_test(errno_of_a_connection_lost_after_sending_is_a_failure),
        cmocka_unit_test(errno_of_our_own_resources_is_local),
        cmocka_unit_test(errno_that_stays_wrong_is_permanent),
        cmocka_unit_test(errno_that_ends_nothing_is_none),
        cmocka_unit_test(http_reads_every_status_as_its_table_says),
        cmocka_unit_test(http_503_is_overload_only_with_a_readable_retry_after),
        cmocka_unit_test(http_sets_the_hint_for_overload_alone),
        cmocka_unit_test(retry_after_seconds_are_clamped_to_a_day),
        cmocka_unit_test(retry_after_skips_blanks_around_the_value),
        cmocka_unit_test(retry_after_ignores_what_it_can_not_read),
        cmocka_unit_test(retry_after_reads_the_three_dates),
        cmocka_unit_test(retry_after_reads_leap_days_and_the_edges_of_the_calendar),
        cmocka_unit_test(retry_after_of_a_date_in_the_past_is_no_wait),
        cmocka_unit_test(retry_after_survives_any_wall_clock),
        cmocka_unit_test(retry_after_gives_two_digits_the_century_of_the_rfc),
        cmocka_unit_test(retry_after_counts_the_days_of_a_leap_year),
        cmocka_unit_test(retry_after_survives_random_text),
    };

    return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
