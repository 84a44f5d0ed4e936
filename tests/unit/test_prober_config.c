/* SPDX-License-Identifier: BSD-2-Clause */

/* What the prober can be told, what it can't, and the memory that it takes. No server, no waiting
   but for the end of its thread. */
#define _GNU_SOURCE
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "driver/prober.h"

static void every_field_of_the_config_is_checked(void **state)
{
    static char long_path[1100], long_host[300];
    const struct {
        struct resil_prober_config config;
        const char *says;
    } bad[] = {
        {{.health.rise = 1001}, "rise is 1001"},
        {{.kind = (enum resil_prober_kind)3}, "kind: "},
        {{.http_path = ""}, "http_path: must begin with '/'"},
        {{.http_path = "health"}, "http_path: "},
        {{.http_path = "/a b"}, "http_path: "},
        {{.http_path = "/a\r\nX: y"}, "http_path: "},
        {{.http_path = long_path}, "http_path: "},
        {{.http_host = ""}, "http_host: must be 1 to 255 bytes"},
        {{.http_host = "a\nb"}, "http_host: "},
        {{.http_host = "a\x7f"}, "http_host: "},
        {{.http_host = long_host}, "http_host: "},
        {{.status_min = 99}, "status_min is 99: must be 100 to 599"},
        {{.status_max = 600}, "status_max is 600: "},
        {{.status_min = 400}, "status_min: must not exceed status_max"},
        {{.status_max = 199}, "status_min: "},
        {{.kind = RESIL_PROBER_CALLBACK}, "probe: must be set"},
    };
    struct resil_prober *prober = NULL;
    char why[160];

    (void)state;
    memset(long_path, '/', 1025);
    memset(long_host, 'a', 256);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(resil_prober_config_check(&bad[i].config, why, sizeof why), RESIL_EINVAL);
        if (strncmp(why, bad[i].says, strlen(bad[i].says)) != 0)
            fail_msg("expected %s, got %s", bad[i].says, why);
        assert_int_equal(resil_prober_start(&prober, &bad[i].config), RESIL_EINVAL);
    }
    long_path[1024] = '\0';
    long_host[255] = '\0';
    assert_int_equal(
        resil_prober_config_check(
            &(struct resil_prober_config){.http_path = long_path, .http_host = long_host}, NULL, 0),
        RESIL_OK);
    assert_int_equal(resil_prober_config_check(NULL, NULL, 0), RESIL_OK);
    assert_null(prober);
}

static void bad_arguments_are_refused(void **state)
{
    struct resil_allocator odd = *resil_allocator_default();
    struct resil_prober *prober;
    struct resil_health_snapshot is;

    (void)state;
    odd.size++;
    assert_int_equal(resil_prober_start(NULL, NULL), RESIL_EINVAL);
    assert_int_equal(resil_prober_start(&prober, &(struct resil_prober_config){.allocator = &odd}),
                     RESIL_EINVAL);
    assert_int_equal(resil_prober_start_sized(&prober, NULL, 8), RESIL_EABI);
    assert_int_equal(resil_prober_update(NULL, NULL, 0), RESIL_EINVAL);
    assert_int_equal(resil_prober_snapshot(NULL, &is), RESIL_EINVAL);
    assert_int_equal(resil_prober_stop(NULL), RESIL_OK);

    assert_int_equal(resil_prober_start(&prober, NULL), RESIL_OK);
    assert_int_equal(resil_prober_snapshot(prober, NULL), RESIL_EINVAL);
    assert_int_equal(resil_prober_update(prober, NULL, 1), RESIL_EINVAL);
    assert_int_equal(resil_prober_stop(prober), RESIL_OK);
}

static void bad_lists_change_nothing(void **state)
{
    const struct resil_health_endpoint good[] = {{1, "127.0.0.1:1", NULL}};
    const struct resil_health_endpoint twice[] = {{1, "127.0.0.1:1", NULL},
                                                  {1, "127.0.0.1:2", NULL}};
    const struct resil_health_endpoint name[] = {{1, "127.0.0.1:1", NULL},
                                                 {2, "db.example:5432", NULL}};
    const struct resil_health_endpoint none[] = {{1, NULL, NULL}};
    struct resil_prober *prober;
    struct resil_health_snapshot is;

    (void)state;
    assert_int_equal(resil_prober_start(&prober, NULL), RESIL_OK);
    assert_int_equal(resil_prober_update(prober, good, 1), RESIL_OK);
    for (int left = 10000; left > 0; left--) {
        assert_int_equal(resil_prober_snapshot(prober, &is), RESIL_OK);
        if (is.endpoints == 1)
            break;
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(resil_prober_update(prober, twice, 2), RESIL_EINVAL);
    assert_int_equal(resil_prober_update(prober, name, 2), RESIL_EINVAL);
    assert_int_equal(resil_prober_update(prober, none, 1), RESIL_EINVAL);
    assert_int_equal(resil_prober_snapshot(prober, &is), RESIL_OK);
    assert_int_equal(is.endpoints, 1);
    assert_int_equal(resil_prober_stop(prober), RESIL_OK);
}

/* An allocator that counts, and fails from the n-th time on. Several threads call it. */
struct purse {
    pthread_mutex_t lock;
    int64_t bytes;
    int left;
};

static void *purse_allocate(void *arg, size_t bytes, size_t alignment)
{
    struct purse *purse = arg;
    void *memory = NULL;

    (void)pthread_mutex_lock(&purse->lock);
    if (purse->left > 0) {
        purse->left--;
        memory = resil_allocator_default()->allocate(NULL, bytes, alignment);
        purse->bytes += memory != NULL ? (int64_t)bytes : 0;
    }
    (void)pthread_mutex_unlock(&purse->lock);
    return memory;
}

static void purse_release(void *arg, void *memory, size_t bytes)
{
    struct purse *purse = arg;

    (void)pthread_mutex_lock(&purse->lock);
    purse->bytes -= (int64_t)bytes;
    (void)pthread_mutex_unlock(&purse->lock);
    resil_allocator_default()->release(NULL, memory, bytes);
}

static void memory_that_cannot_be_had_is_said_and_none_is_kept(void **state)
{
    const struct resil_health_endpoint list[] = {{1, "127.0.0.1:1", NULL}, {2, "[::1]:1", NULL}};
    const struct resil_health_endpoint wrong[] = {{1, "nobody", NULL}};
    int started = 0, updated = 0;

    (void)state;
    for (int n = 0; n < 6; n++) {
        struct purse purse = {.lock = PTHREAD_MUTEX_INITIALIZER, .left = n};
        struct resil_allocator from = {sizeof from, &purse, purse_allocate, purse_release};
        struct resil_prober *prober = NULL;
        int rc = resil_prober_start(
            &prober, &(struct resil_prober_config){.http_path = "/x", .allocator = &from});

        if (rc == RESIL_OK) {
            started++;
            rc = resil_prober_update(prober, list, 2);
            updated += rc == RESIL_OK;
            (void)resil_prober_update(prober, wrong, 1);
            (void)resil_prober_update(prober, list, 1);
            assert_int_equal(resil_prober_stop(prober), RESIL_OK);
        }
        assert_true(rc == RESIL_OK || rc == RESIL_ENOMEM);
        assert_int_equal(purse.bytes, 0);
    }
    assert_int_equal(started, 3); /* three allocations; the fourth is the list's */
    assert_int_equal(updated, 2);
}

static bool update_twice(void *arg, const char *address, void *user, uint64_t deadline_ns)
{
    const struct resil_health_endpoint again = {1, address, user};

    (void)deadline_ns;
    return resil_prober_update(*(struct resil_prober **)arg, &again, 1) == RESIL_OK &&
           resil_prober_update(*(struct resil_prober **)arg, &again, 1) == RESIL_OK;
}

static void a_list_that_is_replaced_before_it_was_seen_is_released(void **state)
{
    struct purse purse = {.lock = PTHREAD_MUTEX_INITIALIZER, .left = 1000};
    struct resil_allocator from = {sizeof from, &purse, purse_allocate, purse_release};
    struct resil_prober *prober = NULL;
    const struct resil_prober_config config = {.kind = RESIL_PROBER_CALLBACK,
                                               .probe = update_twice,
                                               .probe_arg = &prober,
                                               .health.timeout_ns = RESIL_SEC(60),
                                               .allocator = &from};
    struct resil_health_snapshot is = {0};

    (void)state;
    assert_int_equal(resil_prober_start(&prober, &config), RESIL_OK);
    assert_int_equal(
        resil_prober_update(prober, &(struct resil_health_endpoint){1, "a", &purse}, 1), RESIL_OK);
    for (int left = 10000; left > 0 && is.passed + is.failed == 0; left--) {
        assert_int_equal(resil_prober_snapshot(prober, &is), RESIL_OK);
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(is.passed, 1);
    assert_int_equal(resil_prober_stop(prober), RESIL_OK);
    assert_int_equal(purse.bytes, 0);
}

static void the_strings_of_the_config_are_copied(void **state)
{
    char path[] = "/path", host[] = "host";
    struct resil_prober *prober;
    char text[RESIL__PROBER_REQUEST];
    size_t length;

    (void)state;
    assert_int_equal(resil_prober_start(&prober, &(struct resil_prober_config){.http_path = path,
                                                                               .http_host = host}),
                     RESIL_OK);
    memset(path, 'x', sizeof path - 1);
    memset(host, 'x', sizeof host - 1);
    length = resil__prober_request(&prober->config, "127.0.0.1:1", text);
    assert_int_equal(length, strlen(text));
    assert_non_null(strstr(text, "GET /path HTTP/1.1\r\nHost: host\r\n"));
    assert_int_equal(resil_prober_stop(prober), RESIL_OK);
}

static void the_host_is_the_address_unless_it_is_given(void **state)
{
    static const char *const cases[][2] = {
        {"127.0.0.1:80", "\r\nHost: 127.0.0.1:80\r\n"},
        {"[::1]:80", "\r\nHost: [::1]:80\r\n"},
        {"[fe80::1%lo]:80", "\r\nHost: [fe80::1]:80\r\n"},
        {"unix:/run/a", "\r\nHost: localhost\r\n"},
    };
    const struct resil_prober_config config = {.http_path = "/"};
    char text[RESIL__PROBER_REQUEST];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = resil__prober_request(&config, cases[i][0], text);

        assert_int_equal(length, strlen(text));
        assert_non_null(strstr(text, cases[i][1]));
        assert_string_equal(text + strlen(text) - 4, "\r\n\r\n");
    }
}

static void addresses_are_read_to_the_letter(void **state)
{
    static const char *const good[] = {
        "127.0.0.1:1",   "1.2.3.4:65535",       "[::1]:80",
        "[fe80::1%1]:7", "[fe80::1%lo]:7",      "unix:/x",
        "unix:relative", "[2001:db8::1]:00080", "[::ffff:1.2.3.4]:1"};
    static const char *const bad[] = {
        "",
        "localhost:80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        ":80",
        "1.2.3.4:65536",
        "1.2.3.4:+1",
        "1.2.3.4:1 ",
        "1.2.3.4: 1",
        "1.2.3:80",
        "::1:80",
        "[::1]80",
        "[::1:80",
        "[]:80",
        "[1.2.3.4]:80",
        "[::1%]:80",
        "[::1%nosuchif]:80",
        "unix:",
        "1.2.3.4:1:2",
        "http://1.2.3.4:80",
        "[fe80::1%aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]:7",
        "unix:/a/path/that/is/much/too/long/for/the/room/that/there/is/in/a/sockaddr_un/which/has/"
        "108/"
        "bytes/and/no/more/than/that",
        "1.2.3.4:99999999999999999999999999",
    };
    struct resil__prober_target to;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    struct sockaddr_un local;
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!resil__prober_parse(good[i], &to))
            fail_msg("refused %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (resil__prober_parse(bad[i], &to))
            fail_msg("let pass %s", bad[i]);

    assert_true(resil__prober_parse("1.2.3.4:567", &to));
    memcpy(&four, &to.address, sizeof four);
    assert_int_equal(to.bytes, sizeof four);
    assert_int_equal(four.sin_family, AF_INET);
    assert_int_equal(ntohs(four.sin_port), 567);
    assert_int_equal(ntohl(four.sin_addr.s_addr), 0x01020304);

    assert_true(resil__prober_parse("[fe80::2%3]:567", &to));
    memcpy(&six, &to.address, sizeof six);
    assert_int_equal(six.sin6_family, AF_INET6);
    assert_int_equal(ntohs(six.sin6_port), 567);
    assert_int_equal(six.sin6_scope_id, 3);
    assert_string_equal(inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text), "fe80::2");

    assert_true(resil__prober_parse("unix:/run/x.sock", &to));
    memcpy(&local, &to.address, sizeof local);
    assert_int_equal(local.sun_family, AF_UNIX);
    assert_string_equal(local.sun_path, "/run/x.sock");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_the_config_is_checked),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(bad_lists_change_nothing),
        cmocka_unit_test(memory_that_cannot_be_had_is_said_and_none_is_kept),
        cmocka_unit_test(a_list_that_is_replaced_before_it_was_seen_is_released),
        cmocka_unit_test(the_strings_of_the_config_are_copied),
        cmocka_unit_test(the_host_is_the_address_unless_it_is_given),
        cmocka_unit_test(addresses_are_read_to_the_letter),
    };

    return cmocka_run_group_tests_name("prober_config", tests, NULL, NULL);
}
