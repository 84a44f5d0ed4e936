/* SPDX-License-Identifier: BSD-2-Clause */

/* The fault server as a whole: weather, counters, bounds, its end. Real time: the whole file takes
   under a second. */
#define _GNU_SOURCE
#include "test.h"

#include "fault_client.h"

static void it_fails_as_often_as_the_weather_says(void **state)
{
    int fd = dial(*state);
    struct fault_counts counts;
    char text[1024];

    fault_server_set_weather(*state,
                             (struct fault_weather){.kind = FAULT_FAILING, .failure_pct = 30});
    for (int i = 0; i < 1000; i++) {
        say(fd, GET("/"));
        hear_answer(fd, text, sizeof text);
    }
    (void)close(fd);
    counts = counts_of(*state);
    assert_int_equal(counts.sick, 1000);
    assert_in_range(counts.kinds[FAULT_STATUS], 230, 370); /* the seed is fixed: no chance in it */
    assert_int_equal(counts.kinds[FAULT_STATUS] + counts.answered_ok, 1000);
}

static void it_is_slow_when_the_weather_says_so(void **state)
{
    int fd = dial(*state);
    uint64_t start = now_ms();

    fault_server_set_weather(*state, (struct fault_weather){.kind = FAULT_SLOW, .delay_ms = 60});
    say(fd, GET("/"));
    expect_answer(fd, "HTTP/1.1 200 ");
    assert_true(now_ms() - start >= 29); /* half of the mean is the least */
    (void)close(fd);
    assert_int_equal(counts_of(*state).weathers[FAULT_SLOW], 1);
}

static void it_pushes_back_when_overloaded(void **state)
{
    int fd = dial(*state);
    char text[1024];

    fault_server_set_weather(*state,
                             (struct fault_weather){.kind = FAULT_OVERLOAD, .retry_after_s = 2});
    say(fd, GET("/"));
    hear_answer(fd, text, sizeof text);
    assert_non_null(strstr(text, " 503 "));
    assert_non_null(strstr(text, "\r\nRetry-After: 2\r\n"));
    (void)close(fd);
}

/* Waits until the loop has seen the new weather. (Who connects at the moment of death may see a
   reset.) */
static int dial_until(struct fault_server *server, bool alive)
{
    for (int i = 0; i < 1000; i++) {
        int fd = dial(server);

        if (alive ? fd >= 0 : fd < 0 && errno == ECONNREFUSED)
            return fd;
        if (fd >= 0)
            (void)close(fd);
        (void)poll(NULL, 0, 1);
    }
    fail_msg("the server did not follow the weather");
    return -1;
}

static void it_dies_and_rises_on_the_same_port(void **state)
{
    int open_fd = dial(*state);
    uint16_t port = fault_server_port(*state);
    char text[64];

    say(open_fd, GET("/hang"));
    while (counts_of(*state).in_flight == 0)
        (void)poll(NULL, 0, 1);
    for (int i = 0; i < 5; i++) {
        int fd;

        fault_server_set_weather(*state, (struct fault_weather){.kind = FAULT_DEAD});
        assert_int_equal(dial_until(*state, false), -1);
        fault_server_set_weather(*state, (struct fault_weather){.kind = FAULT_HEALTHY});
        fd = dial_until(*state, true);
        say(fd, GET("/"));
        expect_answer(fd, "HTTP/1.1 200 ");
        (void)close(fd);
    }
    assert_int_equal(hear(open_fd, text, sizeof text, NULL), -1);
    assert_int_equal(errno, ECONNRESET);
    (void)close(open_fd);
    assert_int_equal(fault_server_port(*state), port);
    assert_int_equal(counts_of(*state).in_flight, 0);
}

static void it_counts_how_many_were_in_flight(void **state)
{
    int fds[20];

    for (int i = 0; i < 20; i++) {
        fds[i] = dial(*state);
        say(fds[i], GET("/delay/100"));
    }
    for (int i = 0; i < 20; i++) {
        expect_answer(fds[i], "HTTP/1.1 200 ");
        (void)close(fds[i]);
    }
    assert_int_equal(counts_of(*state).in_flight_max, 20);
    assert_int_equal(counts_of(*state).connections, 20);
}

static void connections_beyond_the_bound_wait_their_turn(void **state)
{
    enum {
        MANY = 540
    }; /* the server holds 512 */
    static int fds[MANY];

    for (int i = 0; i < MANY; i++) {
        fds[i] = dial(*state);
        if (fds[i] < 0) /* a machine that allows few descriptors */
            skip();
        say(fds[i], GET("/"));
    }
    for (int i = 0; i < MANY; i++) {
        expect_answer(fds[i], "HTTP/1.1 200 ");
        (void)close(fds[i]);
    }
    assert_int_equal(counts_of(*state).requests, MANY);
}

static void *shout(void *arg)
{
    for (int i = 0; i < 100; i++) {
        int fd = dial(arg);

        if (fd < 0)
            continue;
        (void)!send(fd, GET("/"), strlen(GET("/")), MSG_NOSIGNAL);
        (void)close(fd); /* without reading: half of the answers find nobody */
    }
    return NULL;
}

static void it_survives_rude_clients_and_changing_weather(void **state)
{
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, shout, *state), 0);
    for (int i = 0; i < 40; i++) {
        fault_server_set_weather(
            *state,
            (struct fault_weather){.kind = i % 2 == 0 ? FAULT_DEAD : FAULT_SLOW, .delay_ms = 2});
        (void)counts_of(*state);
        (void)poll(NULL, 0, 1);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    fault_server_set_weather(*state, (struct fault_weather){.kind = FAULT_HEALTHY});
    {
        int fd = dial_until(*state, true);

        say(fd, GET("/"));
        expect_answer(fd, "HTTP/1.1 200 ");
        (void)close(fd);
    }
}

static void stop_does_not_wait_for_what_hangs(void **state)
{
    struct fault_server *server = fault_server_start();
    int fd;
    char text[64];

    (void)state;
    assert_non_null(server);
    fd = dial(server);
    say(fd, GET("/hang"));
    (void)poll(NULL, 0, 10);
    fault_server_stop(server);
    assert_int_equal(hear(fd, text, sizeof text, NULL), -1);
    (void)close(fd);
    fault_server_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(it_fails_as_often_as_the_weather_says),
        WITH_SERVER(it_is_slow_when_the_weather_says_so),
        WITH_SERVER(it_pushes_back_when_overloaded),
        WITH_SERVER(it_dies_and_rises_on_the_same_port),
        WITH_SERVER(it_counts_how_many_were_in_flight),
        WITH_SERVER(connections_beyond_the_bound_wait_their_turn),
        WITH_SERVER(it_survives_rude_clients_and_changing_weather),
        cmocka_unit_test(stop_does_not_wait_for_what_hangs),
    };

    return cmocka_run_group_tests_name("fault_weather", tests, NULL, NULL);
}
