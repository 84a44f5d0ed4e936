/* SPDX-License-Identifier: BSD-2-Clause */

/* The prober: strange servers, our own faults, callbacks, threads, the end. */
#define _GNU_SOURCE
#include "prober_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/atomic.h"

/* Linked with --wrap: a thread can be had or not. */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg);
static bool no_threads;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg)
{
    return no_threads ? EAGAIN : __real_pthread_create(thread, attr, run, arg);
}

/* Linked with --wrap: our end of a connection can look like the other one. */
int __real_getpeername(int fd, struct sockaddr *address, socklen_t *bytes);
int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *bytes);
static uint64_t mirrored;

int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *bytes)
{
    return resil__load_acquire(&mirrored) != 0 ? getsockname(fd, address, bytes)
                                               : __real_getpeername(fd, address, bytes);
}

/* A server of one address that says one thing to each connection, byte by byte if asked to. */
struct parrot {
    int fd;
    const char *words;
    int gap_ms; /* between bytes; -1 = nothing is accepted at all */
    pthread_t thread;
    char address[128];
    bool stop; /* under the lock */
    pthread_mutex_t lock;
};

static bool parrot_stops(struct parrot *parrot)
{
    bool stop;

    (void)pthread_mutex_lock(&parrot->lock);
    stop = parrot->stop;
    (void)pthread_mutex_unlock(&parrot->lock);
    return stop;
}

/* Who closes what has come unread resets the connection, and what was said may be lost on its way. */
static void hear_out(struct parrot *parrot, int fd)
{
    char bytes[512];

    (void)shutdown(fd, SHUT_WR);
    while (!parrot_stops(parrot)) {
        struct pollfd set = {.fd = fd, .events = POLLIN};

        if (poll(&set, 1, 20) > 0 && recv(fd, bytes, sizeof bytes, 0) <= 0)
            break;
    }
    (void)close(fd);
}

static void *parrot_run(void *arg)
{
    struct parrot *parrot = arg;

    while (!parrot_stops(parrot)) {
        struct pollfd set = {.fd = parrot->fd, .events = POLLIN};
        int fd;

        if (poll(&set, 1, 20) <= 0)
            continue;
        fd = accept(parrot->fd, NULL, NULL);
        if (fd < 0)
            continue;
        for (const char *at = parrot->words; *at != '\0' && !parrot_stops(parrot); at++) {
            if (send(fd, at, 1, MSG_NOSIGNAL) != 1)
                break;
            if (parrot->gap_ms > 0)
                (void)poll(NULL, 0, parrot->gap_ms);
        }
        hear_out(parrot, fd);
    }
    return NULL;
}

static void parrot_up(struct parrot *parrot, const struct sockaddr *to, socklen_t bytes,
                      const char *words, int gap_ms)
{
    *parrot = (struct parrot){.words = words, .gap_ms = gap_ms, .lock = PTHREAD_MUTEX_INITIALIZER};
    parrot->fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(parrot->fd >= 0);
    assert_int_equal(bind(parrot->fd, to, bytes), 0);
    assert_int_equal(listen(parrot->fd, gap_ms < 0 ? 0 : 64), 0);
    if (gap_ms >= 0)
        assert_int_equal(pthread_create(&parrot->thread, NULL, parrot_run, parrot), 0);
}

static void parrot_v4(struct parrot *parrot, const char *words, int gap_ms)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof to;

    parrot_up(parrot, (struct sockaddr *)&to, sizeof to, words, gap_ms);
    assert_int_equal(getsockname(parrot->fd, (struct sockaddr *)&to, &bytes), 0);
    (void)snprintf(parrot->address, sizeof parrot->address, "127.0.0.1:%u",
                   (unsigned)ntohs(to.sin_port));
}

static void parrot_down(struct parrot *parrot)
{
    (void)pthread_mutex_lock(&parrot->lock);
    parrot->stop = true;
    (void)pthread_mutex_unlock(&parrot->lock);
    if (parrot->gap_ms >= 0)
        assert_int_equal(pthread_join(parrot->thread, NULL), 0);
    (void)close(parrot->fd);
}

static void only_a_status_line_is_an_answer(void **state)
{
    static const struct {
        const char *words;
        bool well;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\n", true},
        {"HTTP/1.0 204\r\n", true},
        {"HTTP/1.1 302\n", true},
        {"HTTP/1.1 503 no\r\n", false},
        {"HTTP/1.1 2000\r\n\r\n", false},
        {"HTTP/1.1 2x0 OK\r\n", false},
        {"HTTP/1.1  200 OK\r\n", false},
        {"HTTP/2.0 200 OK\r\n", false},
        {"HTTP/1.1 200", false}, /* and the end */
        {"SSH-2.0-200 200 200 200", false},
        {"", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct parrot parrot;
        struct watch watch;

        parrot_v4(&parrot, cases[i].words, 0);
        prober_up(&watch, (struct resil_prober_config){.kind = RESIL_PROBER_HTTP});
        watch_one(&watch, 1, parrot.address);
        AWAIT(seen(&watch, 1, cases[i].well) == 1);
        assert_int_equal(seen(&watch, 1, !cases[i].well), 0);
        prober_down(&watch);
        parrot_down(&parrot);
    }
}

static void an_answer_may_come_in_pieces(void **state)
{
    struct parrot parrot;
    struct watch watch;

    (void)state;
    parrot_v4(&parrot, "HTTP/1.1 200 OK\r\n", 2);
    prober_up(&watch, (struct resil_prober_config){.kind = RESIL_PROBER_HTTP});
    watch_one(&watch, 1, parrot.address);
    AWAIT(seen(&watch, 1, true) == 1);
    prober_down(&watch);
    parrot_down(&parrot);
}

static void an_answer_that_drips_is_cut_off_at_the_deadline(void **state)
{
    struct parrot parrot;
    struct watch watch;

    (void)state;
    parrot_v4(&parrot, "HTTP/1.1 200 OK\r\n", 1000);
    prober_up(&watch, (struct resil_prober_config){.kind = RESIL_PROBER_HTTP,
                                                   .health = {.timeout_ns = RESIL_MS(20)}});
    watch_one(&watch, 1, parrot.address);
    AWAIT(seen(&watch, 1, false) == 1);
    assert_int_equal(numbers_of(&watch).passed, 0);
    prober_down(&watch);
    parrot_down(&parrot);
}

/* Nobody accepts: when the backlog is full the kernel drops what comes, as a firewall does. */
static void a_host_that_swallows_packets_is_down(void **state)
{
    struct parrot parrot;
    struct watch watch;

    (void)state;
    parrot_v4(&parrot, "", -1);
    prober_up(&watch, (struct resil_prober_config){.kind = RESIL_PROBER_HTTP,
                                                   .health = {.timeout_ns = RESIL_MS(20)}});
    watch_one(&watch, 1, parrot.address);
    AWAIT(seen(&watch, 1, false) == 1);
    AWAIT(numbers_of(&watch).expired >= 6);
    assert_int_equal(numbers_of(&watch).passed, 0);
    prober_down(&watch);
    parrot_down(&parrot);
}

static void it_speaks_ipv6_and_unix(void **state)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    socklen_t bytes = sizeof six;
    struct parrot parrot;
    struct watch watch;
    char dir[] = "/tmp/resil-prober-XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(local.sun_path, sizeof local.sun_path, "%s/socket", dir);
    parrot_up(&parrot, (struct sockaddr *)&local, sizeof local, "HTTP/1.1 200 OK\r\n", 0);
    (void)snprintf(parrot.address, sizeof parrot.address, "unix:%s", local.sun_path);
    prober_up(&watch, (struct resil_prober_config){.kind = RESIL_PROBER_HTTP});
    watch_one(&watch, 1, parrot.address);
    AWAIT(seen(&watch, 1, true) == 1);
    parrot_down(&parrot);
    AWAIT(seen(&watch, 1, false) == 1); /* refused: the file is still there */
    (void)unlink(local.sun_path);
    (void)rmdir(dir);
    prober_down(&watch);

    {
        int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool none = fd < 0 || bind(fd, (struct sockaddr *)&six, sizeof six) != 0;

        if (fd >= 0)
            (void)close(fd);
        if (none) /* a machine without IPv6 */
            return;
    }
    parrot_up(&parrot, (struct sockaddr *)&six, sizeof six, "HTTP/1.1 200 OK\r\n", 0);
    assert_int_equal(getsockname(parrot.fd, (struct sockaddr *)&six, &bytes), 0);
    (void)snprintf(parrot.address, sizeof parrot.address, "[::1]:%u",
                   (unsigned)ntohs(six.sin6_port));
    prober_up(&watch, (struct resil_prober_config){.kind = RESIL_PROBER_HTTP});
    watch_one(&watch, 1, parrot.address);
    AWAIT(seen(&watch, 1, true) == 1);
    prober_down(&watch);
    parrot_down(&parrot);
}

/* By TCP: the server couldn't accept either, and is not to be waited for. */
static void our_own_lack_of_descriptors_judges_nobody(void **state)
{
    struct rlimit before, none;
    struct watch watch;
    uint64_t passed;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    prober_up(&watch, (struct resil_prober_config){.health.fall = 1});
    watch_one(&watch, 1, address_of(*state));
    AWAIT(seen(&watch, 1, true) == 1);
    none = before;
    none.rlim_cur = 3; /* what is open stays open */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    AWAIT(numbers_of(&watch).cancelled >= 5);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    passed = numbers_of(&watch).passed;
    AWAIT(numbers_of(&watch).passed >= passed + 5);
    assert_int_equal(seen(&watch, 1, false), 0);
    prober_down(&watch);
}

/* Where nobody listens, the kernel may choose that very port for our end. */
static void a_connection_to_itself_is_nobody(void **state)
{
    struct watch watch;

    prober_up(&watch, (struct resil_prober_config){0});
    watch_one(&watch, 1, address_of(*state));
    AWAIT(seen(&watch, 1, true) == 1);
    resil__store_release(&mirrored, 1);
    AWAIT(seen(&watch, 1, false) == 1);
    resil__store_release(&mirrored, 0);
    AWAIT(seen(&watch, 1, true) == 2);
    prober_down(&watch);
}

/* UNIX sockets refuse at once. */
static void what_ends_at_once_keeps_no_descriptor(void **state)
{
    struct watch watch;
    int before;

    (void)state;
    prober_up(&watch, (struct resil_prober_config){0});
    before = open_descriptors();
    watch_one(&watch, 1, "unix:/nonexistent/socket");
    AWAIT(numbers_of(&watch).failed >= 20);
    assert_int_equal(numbers_of(&watch).passed, 0);
    AWAIT(open_descriptors() == before);
    prober_down(&watch);
}

/* What a callback was told, and what it is to say. */
struct oracle {
    struct watch *watch;
    pthread_mutex_t lock;
    bool well;        /* under the lock */
    uint64_t asked;   /* under the lock */
    bool address_ok;  /* under the lock */
    bool signals_off; /* under the lock */
    int stop_rc;      /* under the lock */
};

static bool ask_oracle(void *arg, const char *address, void *user, uint64_t deadline_ns)
{
    struct oracle *oracle = arg;
    sigset_t blocked;
    bool well;

    (void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    (void)pthread_mutex_lock(&oracle->lock);
    oracle->asked++;
    oracle->address_ok =
        strcmp(address, "any text") == 0 && user == oracle->watch && deadline_ns > resil_now_ns();
    oracle->signals_off = sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGPIPE);
    oracle->stop_rc = resil_prober_stop(oracle->watch->prober);
    well = oracle->well;
    (void)pthread_mutex_unlock(&oracle->lock);
    return well;
}

static void a_callback_is_asked_and_believed(void **state)
{
    struct watch watch;
    struct oracle oracle = {.watch = &watch, .lock = PTHREAD_MUTEX_INITIALIZER, .well = true};
    struct resil_prober_config config = {
        .kind = RESIL_PROBER_CALLBACK, .probe = ask_oracle, .probe_arg = &oracle};

    (void)state;
    prober_up(&watch, config);
    watch_one(&watch, 1, "any text");
    AWAIT(seen(&watch, 1, true) == 1);
    (void)pthread_mutex_lock(&oracle.lock);
    oracle.well = false;
    assert_true(oracle.address_ok);
    assert_true(oracle.signals_off);
    assert_int_equal(oracle.stop_rc, RESIL_EBUSY);
    (void)pthread_mutex_unlock(&oracle.lock);
    AWAIT(seen(&watch, 1, false) == 1);
    prober_down(&watch);
}

static bool nap_too_long(void *arg, const char *address, void *user, uint64_t deadline_ns)
{
    (void)arg;
    (void)address;
    (void)user;
    while (resil_now_ns() < deadline_ns)
        (void)poll(NULL, 0, 1);
    return true;
}

static void a_callback_that_passes_too_late_has_failed(void **state)
{
    struct watch watch;

    (void)state;
    prober_up(&watch, (struct resil_prober_config){.kind = RESIL_PROBER_CALLBACK,
                                                   .probe = nap_too_long,
                                                   .health.timeout_ns = RESIL_MS(2)});
    watch_one(&watch, 1, "any text");
    AWAIT(seen(&watch, 1, false) == 1);
    assert_int_equal(numbers_of(&watch).passed, 0);
    prober_down(&watch);
}

static void a_thread_that_cannot_be_had_is_said_and_leaves_nothing(void **state)
{
    struct resil_prober *prober = NULL;
    int before = open_descriptors();

    (void)state;
    no_threads = true;
    assert_int_equal(resil_prober_start(&prober, NULL), RESIL_ENOMEM);
    no_threads = false;
    assert_null(prober);
    assert_int_equal(open_descriptors(), before);
}

static void a_child_of_a_fork_can_only_leave_it_alone(void **state)
{
    struct resil_prober *prober;
    int status;
    pid_t pid;

    (void)state;
    assert_int_equal(resil_prober_start(&prober, NULL), RESIL_OK);
    pid = fork();
    if (pid == 0)
        _exit(resil_prober_update(prober, NULL, 0) == RESIL_EINVAL &&
                      resil_prober_stop(prober) == RESIL_EINVAL
                  ? 0
                  : 1);
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(resil_prober_stop(prober), RESIL_OK);
}

/* Two thousand, most of them dead, one at a time and all at once. */
static void many_endpoints_are_probed(void **state)
{
    enum {
        MANY = 2000
    };
    static struct resil_health_endpoint list[MANY];
    static char dead[MANY][32];
    struct watch watch;

    for (uint64_t id = 0; id < MANY; id++) {
        (void)snprintf(dead[id], sizeof dead[id], "127.9.%u.%u:1", (unsigned)(id / 250),
                       (unsigned)(id % 250 + 1));
        list[id] = (struct resil_health_endpoint){id, dead[id], NULL};
    }
    list[3].address = address_of(*state);
    prober_up(&watch, (struct resil_prober_config){
                          .health = {.interval_ns = RESIL_MS(50), .down_ns = RESIL_MS(50)}});
    assert_int_equal(resil_prober_update(watch.prober, list, MANY), RESIL_OK);
    AWAIT(numbers_of(&watch).down == MANY - 1);
    assert_int_equal(numbers_of(&watch).up, 1);
    assert_int_equal(seen(&watch, 3, true), 1);
    prober_down(&watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_status_line_is_an_answer),
        cmocka_unit_test(an_answer_may_come_in_pieces),
        cmocka_unit_test(an_answer_that_drips_is_cut_off_at_the_deadline),
        cmocka_unit_test(a_host_that_swallows_packets_is_down),
        cmocka_unit_test(it_speaks_ipv6_and_unix),
        WITH_SERVER(our_own_lack_of_descriptors_judges_nobody),
        WITH_SERVER(a_connection_to_itself_is_nobody),
        cmocka_unit_test(what_ends_at_once_keeps_no_descriptor),
        cmocka_unit_test(a_callback_is_asked_and_believed),
        cmocka_unit_test(a_callback_that_passes_too_late_has_failed),
        cmocka_unit_test(a_thread_that_cannot_be_had_is_said_and_leaves_nothing),
        cmocka_unit_test(a_child_of_a_fork_can_only_leave_it_alone),
        WITH_SERVER(many_endpoints_are_probed),
    };

    return cmocka_run_group_tests_name("prober_faults", tests, NULL, NULL);
}
