/* SPDX-License-Identifier: BSD-2-Clause */

/* The fault server: what it does to one request. Real time: the whole file takes under a second. */
#define _GNU_SOURCE
#include "test.h"

#include "fault_client.h"
#include "fault_http.h"

static void it_answers_again_and_again_on_one_connection(void **state)
{
    int fd = dial(*state);
    struct fault_counts counts;

    for (int i = 0; i < 3; i++) {
        say(fd, GET("/"));
        expect_answer(fd, "HTTP/1.1 200 OK\r\n");
    }
    (void)close(fd);

    counts = counts_of(*state);
    assert_int_equal(counts.connections, 1);
    assert_int_equal(counts.requests, 3);
    assert_int_equal(counts.kinds[FAULT_ANSWER], 3);
    assert_int_equal(counts.weathers[FAULT_HEALTHY], 3);
    assert_int_equal(counts.answered_ok, 3);
    assert_int_equal(counts.sick, 0);
    assert_int_equal(counts.in_flight, 0);
    assert_int_equal(counts.in_flight_max, 1);
}

static void it_reads_requests_in_pieces_and_sent_ahead(void **state)
{
    int fd = dial(*state);
    char text[1024];

    say(fd, "POST /a HTTP/1.1\r\nContent-Length: 5\r");
    assert_false(readable(fd, 10));
    say(fd, "\n\r\nhe");
    assert_false(readable(fd, 10));
    say(fd, "llo" GET("/b"));
    while (counts_of(*state).answered_ok < 2)
        hear_answer(fd, text, sizeof text);
    (void)close(fd);

    assert_int_equal(counts_of(*state).requests, 2);
}

static void it_closes_when_asked_to(void **state)
{
    int fd = dial(*state);
    char text[1024];

    say(fd, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_true(hear(fd, text, sizeof text, NULL) > 0); /* until the end */
    assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
    (void)close(fd);
}

static void it_refuses_what_it_cannot_read(void **state)
{
    static const char *const bad[] = {
        "nonsense\r\n\r\n",
        "GET / HTTP/9\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int fd = dial(*state);

        say(fd, bad[i]);
        expect_answer(fd, "HTTP/1.1 400 ");
        (void)close(fd);
    }
    {
        int fd = dial(*state);

        say(fd, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        expect_answer(fd, "HTTP/1.1 411 ");
        (void)close(fd);
    }
    {
        int fd = dial(*state);

        for (int i = 0; i < 4096; i++)
            say(fd, "x");
        expect_answer(fd, "HTTP/1.1 431 ");
        (void)close(fd);
    }
}

static void script_gives_each_request_its_fate(void **state)
{
    static const struct fault steps[] = {
        {.kind = FAULT_STATUS, .status = 500},
        {.kind = FAULT_STATUS, .status = 503},
        {.kind = FAULT_STATUS, .status = 503, .retry_after_s = 7},
        {.kind = FAULT_ANSWER, .delay_ms = 30},
    };
    int fd = dial(*state);
    char text[1024];
    uint64_t start;

    assert_true(fault_server_set_script(*state, steps, 4));
    say(fd, GET("/hang")); /* the script comes before the path */
    expect_answer(fd, "HTTP/1.1 500 ");
    say(fd, GET("/"));
    hear_answer(fd, text, sizeof text);
    assert_non_null(strstr(text, " 503 "));
    assert_null(strstr(text, "Retry-After"));
    say(fd, GET("/"));
    hear_answer(fd, text, sizeof text);
    assert_non_null(strstr(text, "\r\nRetry-After: 7\r\n"));
    start = now_ms();
    say(fd, GET("/"));
    expect_answer(fd, "HTTP/1.1 200 ");
    assert_true(now_ms() - start >= 29);
    say(fd, GET("/")); /* past the end: healthy weather */
    expect_answer(fd, "HTTP/1.1 200 ");
    (void)close(fd);
    assert_int_equal(counts_of(*state).kinds[FAULT_STATUS], 3);
}

static void script_that_is_too_long_changes_nothing(void **state)
{
    static const struct fault one = {.kind = FAULT_STATUS, .status = 404};
    static const struct fault many[FAULT_SCRIPT_MAX + 1];
    int fd = dial(*state);

    assert_true(fault_server_set_script(*state, &one, 1));
    assert_false(fault_server_set_script(*state, many, FAULT_SCRIPT_MAX + 1));
    say(fd, GET("/"));
    expect_answer(fd, "HTTP/1.1 404 ");
    (void)close(fd);
}

static void path_asks_for_a_fault(void **state)
{
    int fd = dial(*state);
    uint64_t start = now_ms();
    char text[1024];

    say(fd, GET("/status/404"));
    expect_answer(fd, "HTTP/1.1 404 ");
    say(fd, GET("/status/429/3"));
    hear_answer(fd, text, sizeof text);
    assert_non_null(strstr(text, "\r\nRetry-After: 3\r\n"));
    say(fd, GET("/delay/25"));
    expect_answer(fd, "HTTP/1.1 200 ");
    assert_true(now_ms() - start >= 24);
    say(fd, GET("/status/99")); /* no status of an answer: an ordinary path */
    expect_answer(fd, "HTTP/1.1 200 ");
    (void)close(fd);
}

static void it_hangs_until_the_client_leaves(void **state)
{
    int fd = dial(*state);

    say(fd, GET("/hang"));
    assert_false(readable(fd, 40));
    assert_int_equal(counts_of(*state).in_flight, 1);
    (void)close(fd);
    for (int i = 0; i < 1000 && counts_of(*state).in_flight != 0; i++)
        (void)poll(NULL, 0, 1);
    assert_int_equal(counts_of(*state).in_flight, 0);
    assert_int_equal(counts_of(*state).abandoned, 1);
}

static void it_resets_before_and_after_reading(void **state)
{
    static const struct fault steps[] = {{.kind = FAULT_RESET_UNREAD}, {.kind = FAULT_RESET}};
    char text[64];

    assert_true(fault_server_set_script(*state, steps, 2));
    for (int i = 0; i < 2; i++) {
        int fd = dial(*state);

        say(fd, GET("/"));
        assert_int_equal(hear(fd, text, sizeof text, NULL), -1);
        assert_int_equal(errno, ECONNRESET);
        (void)close(fd);
    }
    assert_int_equal(counts_of(*state).kinds[FAULT_RESET_UNREAD], 1);
    assert_int_equal(counts_of(*state).kinds[FAULT_RESET], 1);
    assert_int_equal(counts_of(*state).in_flight, 0);
}

static void reset_unread_does_not_wait_for_the_whole_request(void **state)
{
    static const struct fault steps[] = {{.kind = FAULT_RESET_UNREAD}};
    int fd = dial(*state);
    char text[64];

    assert_true(fault_server_set_script(*state, steps, 1));
    say(fd, "G");
    assert_int_equal(hear(fd, text, sizeof text, NULL), -1);
    (void)close(fd);
    assert_int_equal(counts_of(*state).requests, 1);
}

static void it_half_closes(void **state)
{
    int fd = dial(*state);
    char text[64];

    say(fd, GET("/half-close"));
    assert_int_equal(hear(fd, text, sizeof text, NULL), 0); /* an orderly end, no byte */
    (void)poll(NULL, 0, 10);
    say(fd, "more"); /* the other direction is still open */
    (void)poll(NULL, 0, 10);
    say(fd, "and more");
    (void)close(fd);
}

static void it_breaks_off_in_the_body(void **state)
{
    int fd = dial(*state);
    char text[1024];
    const char *body;

    say(fd, GET("/partial"));
    assert_true(hear(fd, text, sizeof text, NULL) > 0);
    assert_non_null(strstr(text, "\r\nContent-Length: 1000\r\n"));
    body = strstr(text, "\r\n\r\n");
    assert_non_null(body);
    assert_string_equal(body + 4, "ok\n");
    (void)close(fd);
    assert_int_equal(counts_of(*state).answered_ok, 0);
}

static void parser_takes_any_prefix_and_any_bytes(void **state)
{
    static const char text[] =
        "POST /delay/20 HTTP/1.1\r\nContent-Length: 12\r\nconnection: close\r\n\r\n";
    struct fault_head head;
    uint64_t seed = test_seed(3);
    char bytes[64];

    (void)state;
    for (size_t i = 0; i < sizeof text - 1; i++)
        assert_int_equal(fault_http_parse(text, i).size, 0);
    head = fault_http_parse(text, sizeof text - 1);
    assert_int_equal(head.size, sizeof text - 1);
    assert_int_equal(head.refusal, 0);
    assert_int_equal(head.body, 12);
    assert_false(head.keep);
    assert_true(head.has_fault);
    assert_int_equal(head.fault.delay_ms, 20);
    for (int i = 0; i < 100000; i++) {
        for (size_t j = 0; j < sizeof bytes; j++)
            bytes[j] = "GET / HTTP/1.1:\r\n\r\n\0x"[test_below(&seed, 22)];
        assert_true(fault_http_parse(bytes, sizeof bytes).size <= sizeof bytes);
    }
}

static void answers_fit_their_buffer(void **state)
{
    char text[FAULT_ANSWER_MAX];
    struct fault fault = {.kind = FAULT_STATUS, .retry_after_s = UINT32_MAX};

    (void)state;
    for (fault.status = 200; fault.status < 600; fault.status++) {
        size_t size = fault_http_answer(text, sizeof text, &fault, false);

        assert_in_range(size, 20, sizeof text - 1);
        assert_int_equal(size, strlen(text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(it_answers_again_and_again_on_one_connection),
        WITH_SERVER(it_reads_requests_in_pieces_and_sent_ahead),
        WITH_SERVER(it_closes_when_asked_to),
        WITH_SERVER(it_refuses_what_it_cannot_read),
        WITH_SERVER(script_gives_each_request_its_fate),
        WITH_SERVER(script_that_is_too_long_changes_nothing),
        WITH_SERVER(path_asks_for_a_fault),
        WITH_SERVER(it_hangs_until_the_client_leaves),
        WITH_SERVER(it_resets_before_and_after_reading),
        WITH_SERVER(reset_unread_does_not_wait_for_the_whole_request),
        WITH_SERVER(it_half_closes),
        WITH_SERVER(it_breaks_off_in_the_body),
        cmocka_unit_test(parser_takes_any_prefix_and_any_bytes),
        cmocka_unit_test(answers_fit_their_buffer),
    };

    return cmocka_run_group_tests_name("fault_server", tests, NULL, NULL);
}
