/* SPDX-License-Identifier: BSD-2-Clause */

/* How the examples read libcurl: against a real server for what it can do, from a table for the
   rest. */
#include "test.h"

#include <arpa/inet.h>
#include <resil/env.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../examples/http_outcome.h"
#include "fault_server.h"

struct fixture {
    struct fault_server *server;
    CURL *curl;
};

static int setup(void **state)
{
    static struct fixture fixture;
    char url[64];

    fixture.server = fault_server_start();
    if (fixture.server == NULL)
        return -1;
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", fault_server_port(fixture.server));
    fixture.curl = http_open(url, NULL);
    *state = &fixture;
    return fixture.curl == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    curl_easy_cleanup(fixture->curl);
    fault_server_stop(fixture->server);
    return 0;
}

/* One request with a fate; a new connection each, so that libcurl has nothing to retry by
   itself. */
static enum resil_outcome get(struct fixture *fixture, struct fault fault,
                              struct resil_attempt *attempt)
{
    assert_true(fault_server_set_script(fixture->server, &fault, 1));
    (void)curl_easy_setopt(fixture->curl, CURLOPT_FRESH_CONNECT, 1L);
    http_deadline(fixture->curl, attempt);
    return http_outcome(fixture->curl, curl_easy_perform(fixture->curl), attempt);
}

static void answers_are_read_by_status(void **state)
{
    static const struct {
        uint32_t status;
        uint32_t retry_after_s;
        enum resil_outcome outcome;
    } cases[] = {
        {200, 0, RESIL_SUCCESS},   {204, 0, RESIL_SUCCESS},  {304, 0, RESIL_SUCCESS},
        {404, 0, RESIL_CALLER},    {408, 0, RESIL_TIMEOUT},  {425, 0, RESIL_NOT_SENT},
        {429, 0, RESIL_OVERLOAD},  {429, 3, RESIL_OVERLOAD}, {500, 0, RESIL_FAILURE},
        {501, 0, RESIL_PERMANENT}, {502, 0, RESIL_FAILURE},  {503, 0, RESIL_FAILURE},
        {503, 2, RESIL_OVERLOAD},  {504, 0, RESIL_FAILURE},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct resil_attempt attempt = {.deadline_ns = RESIL_NEVER, .hint_ns = 99, .call_rc = 99};
        struct fault fault = {.kind = FAULT_STATUS,
                              .status = cases[i].status,
                              .retry_after_s = cases[i].retry_after_s};

        assert_int_equal(get(*state, fault, &attempt), cases[i].outcome);
        assert_int_equal(attempt.hint_ns, RESIL_SEC(cases[i].retry_after_s));
        assert_int_equal(attempt.call_rc, CURLE_OK);
    }
}

static void connections_that_break_after_sending_are_failures(void **state)
{
    static const struct {
        enum fault_kind kind;
        CURLcode code;
    } cases[] = {
        {FAULT_RESET, CURLE_RECV_ERROR},
        {FAULT_HALF_CLOSE, CURLE_GOT_NOTHING},
        {FAULT_PARTIAL, CURLE_PARTIAL_FILE},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct resil_attempt attempt = {.deadline_ns = RESIL_NEVER};

        assert_int_equal(get(*state, (struct fault){.kind = cases[i].kind}, &attempt),
                         RESIL_FAILURE);
        assert_int_equal(attempt.call_rc, cases[i].code);
    }
}

static void no_answer_by_the_deadline_is_a_timeout(void **state)
{
    struct resil_attempt attempt = {.deadline_ns = resil_now_ns() + RESIL_MS(300)};

    assert_int_equal(get(*state, (struct fault){.kind = FAULT_HANG}, &attempt), RESIL_TIMEOUT);
    /* libcurl counts in milliseconds of its own. */
    assert_true(resil_now_ns() + RESIL_MS(2) >= attempt.deadline_ns);
    assert_int_equal(attempt.call_rc, CURLE_OPERATION_TIMEDOUT);
}

static void deadline_that_has_passed_is_not_for_ever(void **state)
{
    struct resil_attempt attempt = {.deadline_ns = 1};
    enum resil_outcome outcome = get(*state, (struct fault){.kind = FAULT_HANG}, &attempt);

    /* Whether anything was sent within libcurl's one millisecond depends on the machine. */
    assert_true(outcome == RESIL_TIMEOUT || outcome == RESIL_NOT_SENT);
    assert_int_equal(attempt.call_rc, CURLE_OPERATION_TIMEDOUT);
}

static void no_deadline_takes_back_the_one_before(void **state)
{
    struct resil_attempt attempt = {.deadline_ns = resil_now_ns() + RESIL_MS(300)};

    assert_int_equal(get(*state, (struct fault){.kind = FAULT_HANG}, &attempt), RESIL_TIMEOUT);
    attempt.deadline_ns = RESIL_NEVER;
    assert_int_equal(get(*state, (struct fault){.delay_ms = 60}, &attempt), RESIL_SUCCESS);
}

/* A TLS handshake with a server that waits for the end of a line: nothing of the request has
   left. */
static void time_that_runs_out_before_sending_is_not_sent(void **state)
{
    struct fixture *fixture = *state;
    struct resil_attempt attempt = {.deadline_ns = resil_now_ns() + RESIL_MS(50)};
    char url[64];

    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/", fault_server_port(fixture->server));
    (void)curl_easy_setopt(fixture->curl, CURLOPT_URL, url);
    assert_int_equal(get(fixture, (struct fault){.kind = FAULT_HANG}, &attempt), RESIL_NOT_SENT);
}

static void refused_connection_is_not_sent(void **state)
{
    struct fixture *fixture = *state;
    struct resil_attempt attempt = {.deadline_ns = RESIL_NEVER};
    enum resil_outcome outcome = RESIL_NONE;

    fault_server_set_weather(fixture->server, (struct fault_weather){.kind = FAULT_DEAD});
    for (int i = 0; i < 1000 && outcome != RESIL_NOT_SENT; i++) /* until the server has followed */
        outcome = get(fixture, (struct fault){.kind = FAULT_ANSWER}, &attempt);
    assert_int_equal(outcome, RESIL_NOT_SENT);
    assert_int_equal(attempt.call_rc, CURLE_COULDNT_CONNECT);
}

/* The claim in http_outcome.h: one perform, two requests at the server. */
static void libcurl_repeats_a_request_on_a_dead_connection_by_itself(void **state)
{
    static const struct fault steps[] = {{.kind = FAULT_ANSWER}, {.kind = FAULT_RESET}};
    struct fixture *fixture = *state;
    struct fault_counts counts;

    (void)curl_easy_setopt(fixture->curl, CURLOPT_POSTFIELDS, "pay=100");
    assert_true(fault_server_set_script(fixture->server, steps, 2));
    assert_int_equal(curl_easy_perform(fixture->curl), CURLE_OK);
    assert_int_equal(curl_easy_perform(fixture->curl), CURLE_OK); /* reset after it was read */
    fault_server_counts(fixture->server, &counts);
    assert_int_equal(counts.requests, 3);

    (void)curl_easy_setopt(fixture->curl, CURLOPT_FRESH_CONNECT, 1L);
    assert_true(fault_server_set_script(fixture->server, &steps[1], 1));
    assert_int_equal(curl_easy_perform(fixture->curl), CURLE_RECV_ERROR);
    fault_server_counts(fixture->server, &counts);
    assert_int_equal(counts.requests, 4);
}

static void every_other_code_has_its_outcome(void **state)
{
    static const struct {
        int code;
        enum resil_outcome outcome;
    } cases[] = {
        {CURLE_COULDNT_RESOLVE_HOST, RESIL_NOT_SENT},
        {CURLE_COULDNT_RESOLVE_PROXY, RESIL_NOT_SENT},
        {CURLE_COULDNT_CONNECT, RESIL_NOT_SENT},
        {CURLE_SSL_CONNECT_ERROR, RESIL_NOT_SENT},
        {CURLE_QUIC_CONNECT_ERROR, RESIL_NOT_SENT},
        {CURLE_PROXY, RESIL_NOT_SENT},
        {CURLE_NO_CONNECTION_AVAILABLE, RESIL_NOT_SENT},
        {CURLE_OPERATION_TIMEDOUT, RESIL_NOT_SENT}, /* this handle has sent nothing */
        {CURLE_GOT_NOTHING, RESIL_FAILURE},
        {CURLE_SEND_ERROR, RESIL_FAILURE},
        {CURLE_RECV_ERROR, RESIL_FAILURE},
        {CURLE_PARTIAL_FILE, RESIL_FAILURE},
        {CURLE_HTTP2, RESIL_FAILURE},
        {CURLE_HTTP2_STREAM, RESIL_FAILURE},
        {CURLE_HTTP3, RESIL_FAILURE},
        {CURLE_WEIRD_SERVER_REPLY, RESIL_FAILURE},
        {CURLE_URL_MALFORMAT, RESIL_LOCAL},
        {CURLE_UNSUPPORTED_PROTOCOL, RESIL_LOCAL},
        {CURLE_OUT_OF_MEMORY, RESIL_LOCAL},
        {CURLE_WRITE_ERROR, RESIL_LOCAL},
        {CURLE_PEER_FAILED_VERIFICATION, RESIL_PERMANENT},
        {CURLE_SSL_PINNEDPUBKEYNOTMATCH, RESIL_PERMANENT},
        {CURLE_SSL_CLIENTCERT, RESIL_PERMANENT},
        {CURLE_ABORTED_BY_CALLBACK, RESIL_CANCELLED},
        {CURLE_TOO_MANY_REDIRECTS, RESIL_CALLER},
        {CURLE_AUTH_ERROR, RESIL_CALLER},
        {12345, RESIL_FAILURE}, /* one that doesn't exist yet: perhaps executed */
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct resil_result result = http_result(fixture->curl, (CURLcode)cases[i].code);

        assert_int_equal(result.outcome, cases[i].outcome);
        assert_int_equal(result.call_rc, cases[i].code);
        assert_int_equal(result.hint_ns, 0);
    }
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(answers_are_read_by_status),
        WITH_FIXTURE(connections_that_break_after_sending_are_failures),
        WITH_FIXTURE(no_answer_by_the_deadline_is_a_timeout),
        WITH_FIXTURE(deadline_that_has_passed_is_not_for_ever),
        WITH_FIXTURE(no_deadline_takes_back_the_one_before),
        WITH_FIXTURE(time_that_runs_out_before_sending_is_not_sent),
        WITH_FIXTURE(refused_connection_is_not_sent),
        WITH_FIXTURE(libcurl_repeats_a_request_on_a_dead_connection_by_itself),
        WITH_FIXTURE(every_other_code_has_its_outcome),
    };

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return 1;
    return cmocka_run_group_tests_name("http_outcome", tests, NULL, NULL);
}
