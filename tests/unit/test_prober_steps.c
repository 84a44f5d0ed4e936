/* SPDX-License-Identifier: BSD-2-Clause */

/* One HTTP probe stepped by hand, over a pair of sockets whose buffer can be full. */
#define _GNU_SOURCE
#include "test.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver/prober.h"

static const struct resil_prober_config config = {.kind = RESIL_PROBER_HTTP,
                                                  .http_path = "/health"};

static struct resil__prober_try begin(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    return (struct resil__prober_try){
        .address = "192.0.2.1:80", .fd = fds[0], .phase = RESIL__PROBER_SEND};
}

static void end(int fds[2])
{
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void a_request_waits_until_there_is_room_for_it(void **state)
{
    static const char filler[4096];
    char heard[4096];
    struct resil__prober_try probe;
    ssize_t bytes = 0;
    int fds[2];

    (void)state;
    probe = begin(fds);
    while (send(fds[0], filler, sizeof filler, MSG_DONTWAIT) > 0)
        continue;
    assert_int_equal(resil__prober_events(&probe), POLLOUT);
    assert_int_equal(resil__prober_advance(&config, &probe, POLLOUT), RESIL__PROBER_GOES_ON);
    assert_int_equal(probe.phase, RESIL__PROBER_SEND);
    assert_int_equal(probe.sent, 0);

    while (recv(fds[1], heard, sizeof heard, MSG_DONTWAIT) > 0)
        continue;
    assert_int_equal(resil__prober_advance(&config, &probe, POLLOUT), RESIL__PROBER_GOES_ON);
    assert_int_equal(probe.phase, RESIL__PROBER_READ);
    assert_int_equal(resil__prober_events(&probe), POLLIN);
    bytes = recv(fds[1], heard, sizeof heard - 1, MSG_DONTWAIT);
    assert_true(bytes > 0);
    heard[bytes] = '\0';
    assert_memory_equal(heard, "GET /health HTTP/1.", 19);
    end(fds);
}

static void who_hangs_up_before_the_request_has_failed(void **state)
{
    struct resil__prober_try probe;
    int fds[2];

    (void)state;
    probe = begin(fds);
    (void)close(fds[1]);
    assert_int_equal(resil__prober_advance(&config, &probe, POLLOUT), RESIL__PROBER_FAILED);
    (void)close(fds[0]);
}

static void nothing_happens_without_an_event(void **state)
{
    struct resil__prober_try probe;
    int fds[2];

    (void)state;
    probe = begin(fds);
    assert_int_equal(resil__prober_advance(&config, &probe, 0), RESIL__PROBER_GOES_ON);
    assert_int_equal(probe.phase, RESIL__PROBER_SEND);
    assert_int_equal(probe.sent, 0);
    end(fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_waits_until_there_is_room_for_it),
        cmocka_unit_test(who_hangs_up_before_the_request_has_failed),
        cmocka_unit_test(nothing_happens_without_an_event),
    };

    return cmocka_run_group_tests_name("prober steps", tests, NULL, NULL);
}
