/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Every call of the library that the system can refuse is refused once, each time it is made, and
 * from then on. Whatever fails, nothing hangs, crashes, or keeps memory or a descriptor; and once
 * the faults end, everything works.
 *
 * Linked with --wrap for each call of the list. A run is a process of its own, with an alarm:
 * some calls are made once in a process. `names` prints the list, for nm.py; `control` runs what
 * leaks, and has to fail.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <resil/resil.h>

#include "platform/cpu.h"

#define CALLS(X)                                                                                   \
    X(aligned_alloc)                                                                               \
    X(clock_getres)                                                                                \
    X(clock_gettime)                                                                               \
    X(close)                                                                                       \
    X(connect)                                                                                     \
    X(fstat)                                                                                       \
    X(getpeername)                                                                                 \
    X(getrandom)                                                                                   \
    X(getsockname)                                                                                 \
    X(getsockopt)                                                                                  \
    X(if_nametoindex)                                                                              \
    X(inet_pton)                                                                                   \
    X(open)                                                                                        \
    X(pipe2)                                                                                       \
    X(poll)                                                                                        \
    X(posix_memalign)                                                                              \
    X(pthread_atfork)                                                                              \
    X(pthread_create)                                                                              \
    X(pthread_key_create)                                                                          \
    X(pthread_mutex_init)                                                                          \
    X(pthread_setname_np)                                                                          \
    X(pthread_setspecific)                                                                         \
    X(pthread_sigmask)                                                                             \
    X(read)                                                                                        \
    X(recv)                                                                                        \
    X(sched_getcpu)                                                                                \
    X(send)                                                                                        \
    X(socket)                                                                                      \
    X(stat)                                                                                        \
    X(strerror_r)                                                                                  \
    X(syscall)                                                                                     \
    X(sysconf)                                                                                     \
    X(write)

enum call {
#define CALL_ENUM(name) CALL_##name,
    CALLS(CALL_ENUM)
#undef CALL_ENUM
    CALL_COUNT
};

static const char *const names[] = {
#define CALL_NAME(name) #name,
    CALLS(CALL_NAME)
#undef CALL_NAME
};

/* A run's process writes, its parent reads. */
static struct {
    unsigned made[CALL_COUNT];
    unsigned refused;
} * shared;

static bool armed;
static enum call victim = CALL_COUNT;
static unsigned victim_at; /* 1 = the first */
static bool for_good;
static int pieces; /* of memory not given back */

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                  \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* Is this one to be refused? */
static bool fault(enum call call, int err)
{
    unsigned made;

    if (!__atomic_load_n(&armed, __ATOMIC_ACQUIRE))
        return false;
    made = __atomic_add_fetch(&shared->made[call], 1, __ATOMIC_RELAXED);
    if (call != victim || made < victim_at || (made > victim_at && !for_good))
        return false;
    (void)__atomic_add_fetch(&shared->refused, 1, __ATOMIC_RELAXED);
    errno = err;
    return true;
}

#define WRAP(type, symbol, call, params, args, err, value)                                         \
    type __real_##symbol params;                                                                   \
    type __wrap_##symbol params;                                                                   \
    type __wrap_##symbol params                                                                    \
    {                                                                                              \
        if (fault(CALL_##call, err))                                                               \
            return value;                                                                          \
        return __real_##symbol args;                                                               \
    }

WRAP(void *, aligned_alloc, aligned_alloc, (size_t a, size_t n), (a, n), ENOMEM, NULL)
WRAP(int, clock_getres, clock_getres, (clockid_t c, struct timespec *t), (c, t), EINVAL, -1)
WRAP(int, clock_gettime, clock_gettime, (clockid_t c, struct timespec *t), (c, t), EPERM, -1)
WRAP(int, connect, connect, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n), EAGAIN, -1)
WRAP(int, fstat, fstat, (int fd, struct stat *s), (fd, s), EIO, -1)
WRAP(int, fstat64, fstat, (int fd, struct stat *s), (fd, s), EIO, -1)
WRAP(int, getpeername, getpeername, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n),
     ENOTCONN, -1)
WRAP(ssize_t, getrandom, getrandom, (void *p, size_t n, unsigned f), (p, n, f), ENOSYS, -1)
WRAP(int, getsockname, getsockname, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n), ENOBUFS,
     -1)
WRAP(int, getsockopt, getsockopt, (int fd, int l, int o, void *p, socklen_t *n), (fd, l, o, p, n),
     ENOBUFS, -1)
WRAP(unsigned, if_nametoindex, if_nametoindex, (const char *n), (n), ENODEV, 0)
WRAP(int, inet_pton, inet_pton, (int f, const char *t, void *p), (f, t, p), EAFNOSUPPORT, -1)
WRAP(int, pipe2, pipe2, (int *fds, int f), (fds, f), EMFILE, -1)
WRAP(int, pthread_atfork, pthread_atfork, (void (*a)(void), void (*b)(void), void (*c)(void)),
     (a, b, c), 0, ENOMEM)
WRAP(int, pthread_create, pthread_create,
     (pthread_t * t, const pthread_attr_t *a, void *(*f)(void *), void *p), (t, a, f, p), 0, EAGAIN)
WRAP(int, pthread_key_create, pthread_key_create, (pthread_key_t * k, void (*f)(void *)), (k, f), 0,
     EAGAIN)
WRAP(int, pthread_mutex_init, pthread_mutex_init,
     (pthread_mutex_t * m, const pthread_mutexattr_t *a), (m, a), 0, ENOMEM)
WRAP(int, pthread_setname_np, pthread_setname_np, (pthread_t t, const char *n), (t, n), 0, ERANGE)
WRAP(int, pthread_setspecific, pthread_setspecific, (pthread_key_t k, const void *p), (k, p), 0,
     ENOMEM)
WRAP(int, pthread_sigmask, pthread_sigmask, (int h, const sigset_t *s, sigset_t *o), (h, s, o), 0,
     EINVAL)
WRAP(ssize_t, read, read, (int fd, void *p, size_t n), (fd, p, n), EIO, -1)
WRAP(ssize_t, recv, recv, (int fd, void *p, size_t n, int f), (fd, p, n, f), ECONNRESET, -1)
WRAP(int, sched_getcpu, sched_getcpu, (void), (), ENOSYS, -1)
WRAP(long, sysconf, sysconf, (int n), (n), EINVAL, -1)
WRAP(ssize_t, send, send, (int fd, const void *p, size_t n, int f), (fd, p, n, f), EPIPE, -1)
WRAP(int, socket, socket, (int f, int t, int p), (f, t, p), EMFILE, -1)
WRAP(int, stat, stat, (const char *n, struct stat *s), (n, s), EACCES, -1)
WRAP(int, stat64, stat, (const char *n, struct stat *s), (n, s), EACCES, -1)
WRAP(int, __xpg_strerror_r, strerror_r, (int e, char *t, size_t n), (e, t, n), 0, ERANGE)
WRAP(ssize_t, write, write, (int fd, const void *p, size_t n), (fd, p, n), EIO, -1)

/* The descriptor is gone all the same, as on Linux. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    bool refuse = fault(CALL_close, EIO);
    int rc = __real_close(fd);

    return refuse ? -1 : rc;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    return fault(CALL_open, EMFILE) ? -1 : __real_open(path, flags, 0600);
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    return fault(CALL_open, EMFILE) ? -1 : __real_open64(path, flags, 0600);
}

/* Refused is what needs memory or a limit: a poll of nothing is a nap. */
int __real_poll(struct pollfd *polls, nfds_t count, int ms);
int __wrap_poll(struct pollfd *polls, nfds_t count, int ms);
int __wrap_poll(struct pollfd *polls, nfds_t count, int ms)
{
    return count > 0 && fault(CALL_poll, ENOMEM) ? -1 : __real_poll(polls, count, ms);
}

/* A futex: six arguments. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    long args[6];
    va_list list;

    va_start(list, number);
    for (unsigned i = 0; i < 6; i++)
        args[i] = va_arg(list, long);
    va_end(list);
    if (fault(CALL_syscall, ENOSYS))
        return -1;
    return __real_syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

int __real_posix_memalign(void **memory, size_t alignment, size_t bytes);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    int rc =
        fault(CALL_posix_memalign, 0) ? ENOMEM : __real_posix_memalign(memory, alignment, bytes);

    if (rc == 0)
        (void)__atomic_add_fetch(&pieces, 1, __ATOMIC_RELAXED);
    return rc;
}

void __real_free(void *memory);
void __wrap_free(void *memory);
void __wrap_free(void *memory)
{
    if (memory != NULL)
        (void)__atomic_sub_fetch(&pieces, 1, __ATOMIC_RELAXED);
    __real_free(memory);
}

static void arm(bool on)
{
    __atomic_store_n(&armed, on, __ATOMIC_RELEASE);
}

static void nap_ms(long ms)
{
    const struct timespec span = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&span, NULL);
}

static uint16_t port; /* of a server that answers every request with 200 */
static char list_path[64];

/* The clocks, random numbers, sleep, and a chain that uses them. */
static enum resil_outcome fail(void *arg, struct resil_attempt *attempt)
{
    (void)attempt;
    ++*(unsigned *)arg;
    return RESIL_NOT_SENT;
}

static void run_chain(unsigned least)
{
    struct resil_bulkhead bulkhead;
    struct resil_breaker breaker;
    struct resil_retry retry;
    struct resil_policy policies[3];
    struct resil_chain chain;
    struct resil_bulkhead_snapshot snapshot;
    unsigned runs = 0;

    CHECK(resil_bulkhead_init(&bulkhead, NULL) == RESIL_OK);
    CHECK(resil_breaker_init(&breaker, NULL) == RESIL_OK);
    CHECK(resil_retry_init(&retry, &(struct resil_retry_config){
                                       .backoff = {.base_ns = RESIL_MS(1)}}) == RESIL_OK);
    policies[0] = resil_bulkhead_policy(&bulkhead);
    policies[1] = resil_retry_policy(&retry);
    policies[2] = resil_breaker_policy(&breaker);
    CHECK(resil_chain_init(&chain, policies, 3, NULL, 0) == RESIL_OK);
    CHECK(resil_chain_run(&chain, resil_env_posix(), NULL, fail, &runs, NULL) == RESIL_EFAILED);
    CHECK(runs >= least && runs <= 3);
    CHECK(resil_bulkhead_snapshot(&bulkhead, &snapshot) == RESIL_OK && snapshot.in_flight == 0);
}

static void environment(void)
{
    const struct resil_env *envs[] = {resil_env_posix(), resil_env_coarse(), resil_env_tsc()};
    uint32_t word = 0;

    for (unsigned i = 0; i < 3; i++) {
        uint64_t now_ns = envs[i]->now(envs[i]->arg);

        envs[i]->wait(envs[i]->arg, &word, 0, now_ns + RESIL_MS(1));
        envs[i]->wake(envs[i]->arg, &word);
        CHECK(envs[i]->random(envs[i]->arg) != envs[i]->random(envs[i]->arg));
        (void)envs[i]->now(envs[i]->arg);
    }
    run_chain(1);
    arm(false);
    for (unsigned i = 0; i < 3; i++)
        CHECK(envs[i]->now(envs[i]->arg) > 0);
    run_chain(3);
}

static unsigned taken;

static int take(void *arg, const struct resil_endpoint *endpoints, size_t n, uint64_t now_ns)
{
    (void)arg;
    (void)endpoints;
    (void)now_ns;
    __atomic_store_n(&taken, (unsigned)n, __ATOMIC_RELEASE);
    return RESIL_OK;
}

/* A file of endpoints, asked by hand and then by a thread. */
static void resolver(void)
{
    const struct resil_file_resolver_config config = {
        .path = list_path, .interval_ns = RESIL_MS(10), .settle_ns = RESIL_MS(1)};
    struct resil_file_resolver file;
    struct resil_resolver_driver driver;
    uint64_t now_ns = RESIL_SEC(1000), next_ns;
    int rc;

    CHECK(resil_file_resolver_init(&file, &config) == RESIL_OK);
    CHECK(resil_resolver_start(&file.resolver, take, NULL, NULL, 0) == RESIL_OK);
    for (unsigned i = 0; i < 4; i++, now_ns += RESIL_SEC(3)) {
        rc = resil_resolver_tick(&file.resolver, now_ns, &next_ns);
        CHECK(rc == RESIL_OK || rc == RESIL_ENOMEM || rc == RESIL_EFAILED);
        CHECK(next_ns > now_ns && next_ns <= now_ns + RESIL_SEC(1));
    }
    arm(false);
    for (unsigned i = 0; i < 4; i++, now_ns += RESIL_SEC(3))
        CHECK(resil_resolver_tick(&file.resolver, now_ns, &next_ns) == RESIL_OK);
    CHECK(taken == 2);
    resil_resolver_stop(&file.resolver);

    taken = 0;
    CHECK(resil_file_resolver_init(&file, &config) == RESIL_OK);
    CHECK(resil_resolver_start(&file.resolver, take, NULL, NULL, 0) == RESIL_OK);
    arm(true);
    rc = resil_resolver_driver_start(&driver, &file.resolver, NULL);
    nap_ms(5);
    arm(false);
    if (rc != RESIL_OK) {
        CHECK(rc == RESIL_ENOMEM || rc == RESIL_EINVAL);
        CHECK(resil_resolver_driver_start(&driver, &file.resolver, NULL) == RESIL_OK);
    }
    while (__atomic_load_n(&taken, __ATOMIC_ACQUIRE) != 2)
        nap_ms(1);
    CHECK(resil_resolver_driver_stop(&driver) == RESIL_OK);
    resil_resolver_stop(&file.resolver);
}

/* The processor and how many there are: for who keeps counters apart. */
static void processors(void)
{
    uint64_t stripes = resil_stripes();

    CHECK(stripes >= 1 && stripes <= RESIL_STRIPES_MAX && (stripes & (stripes - 1)) == 0);
    (void)resil__cpu_ask();
    arm(false);
    CHECK(resil_stripes() >= stripes);
}

/* What a file that isn't there tells. */
static void missing(void)
{
    const struct resil_file_resolver_config config = {.path = "/nowhere/to/be/found"};
    struct resil_file_resolver_snapshot snapshot;
    struct resil_file_resolver file;
    uint64_t next_ns;

    CHECK(resil_file_resolver_init(&file, &config) == RESIL_OK);
    CHECK(resil_resolver_start(&file.resolver, take, NULL, NULL, 0) == RESIL_OK);
    CHECK(resil_resolver_tick(&file.resolver, RESIL_SEC(1), &next_ns) == RESIL_EFAILED);
    CHECK(resil_file_resolver_snapshot(&file, &snapshot) == RESIL_OK && snapshot.why[0] != '\0');
    resil_resolver_stop(&file.resolver);
}

static const struct resil_endpoint endpoints[] = {{.address = "a", .weight = 1},
                                                  {.address = "b", .weight = 1}};

static void *pick(void *arg)
{
    struct resil_pick picked;
    int rc = resil_balancer_pick(arg, NULL, RESIL_SEC(1), &picked);

    if (rc == RESIL_OK)
        rc = resil_balancer_report(arg, &picked, RESIL_SUCCESS, 1000, RESIL_SEC(1));
    else
        CHECK(rc == RESIL_EUNAVAILABLE);
    CHECK(rc == RESIL_OK || rc == RESIL_EUNAVAILABLE);
    return rc == RESIL_OK ? arg : NULL;
}

static void pick_in_threads(struct resil_balancer *balancer, bool must)
{
    for (unsigned i = 0; i < 2; i++) {
        pthread_t thread;
        void *served;

        CHECK(__real_pthread_create(&thread, NULL, pick, balancer) == 0);
        CHECK(pthread_join(thread, &served) == 0);
        CHECK(served != NULL || !must);
    }
}

static void balancer(void)
{
    const struct resil_picker *pickers[] = {NULL, resil_picker_maglev()};

    for (unsigned i = 0; i < 2; i++) {
        const struct resil_balancer_config config = {.picker = pickers[i],
                                                     .options = {.maglev_size = 97}};
        struct resil_balancer object;
        uint64_t next_ns;
        int rc;

        arm(true);
        rc = resil_balancer_init(&object, &config);
        if (rc != RESIL_OK) {
            CHECK(rc == RESIL_ENOMEM);
            arm(false);
            CHECK(resil_balancer_init(&object, &config) == RESIL_OK);
        }
        rc = resil_balancer_update(&object, endpoints, 2, RESIL_SEC(1));
        CHECK(rc == RESIL_OK || rc == RESIL_ENOMEM);
        pick_in_threads(&object, rc == RESIL_OK);
        (void)resil_balancer_tick(&object, RESIL_SEC(20), &next_ns);
        rc = resil_balancer_update(&object, endpoints, 1, RESIL_SEC(21));
        CHECK(rc == RESIL_OK || rc == RESIL_ENOMEM);
        arm(false);
        CHECK(resil_balancer_update(&object, endpoints, 2, RESIL_SEC(22)) == RESIL_OK);
        pick_in_threads(&object, true);
        CHECK(resil_balancer_fini(&object) == RESIL_OK);
    }
}

static bool up;

static void changed(void *arg, uint64_t id, bool healthy)
{
    (void)arg;
    if (id == 1)
        __atomic_store_n(&up, healthy, __ATOMIC_RELEASE);
}

/* Health checks from a thread: by IPv4, and by IPv6 with a zone. */
static void prober(void)
{
    char first[32], second[32];
    const struct resil_prober_config config = {.health = {.interval_ns = RESIL_MS(2),
                                                          .doubt_ns = RESIL_MS(2),
                                                          .down_ns = RESIL_MS(2),
                                                          .rise = 1,
                                                          .fall = 1,
                                                          .changed = changed},
                                               .kind = RESIL_PROBER_HTTP};
    struct resil_health_endpoint list[] = {{.id = 1, .address = first},
                                           {.id = 2, .address = second}};
    struct resil_prober *object = NULL;
    int rc;

    (void)snprintf(first, sizeof first, "127.0.0.1:%u", port);
    (void)snprintf(second, sizeof second, "[::1%%lo]:%u", port);
    rc = resil_prober_start(&object, &config);
    if (rc == RESIL_OK) {
        rc = resil_prober_update(object, list, 2);
        /* An address that can't be read is an invalid one. */
        CHECK(rc == RESIL_OK || rc == RESIL_ENOMEM || rc == RESIL_EINVAL);
        nap_ms(40);
    } else {
        CHECK(object == NULL);
    }
    arm(false);
    if (object == NULL)
        CHECK(resil_prober_start(&object, &config) == RESIL_OK);
    CHECK(resil_prober_update(object, list, 2) == RESIL_OK);
    while (!__atomic_load_n(&up, __ATOMIC_ACQUIRE))
        nap_ms(1);
    CHECK(resil_prober_stop(object) == RESIL_OK);
}

/* The control: memory is lost where there are no descriptors. */
static void leaky(void)
{
    void *memory = NULL;
    int fds[2];

    if (__wrap_posix_memalign(&memory, 64, 64) != 0)
        return;
    if (__wrap_pipe2(fds, O_CLOEXEC) != 0)
        return;
    (void)__wrap_close(fds[0]);
    (void)__wrap_close(fds[1]);
    __wrap_free(memory);
}

struct scenario {
    const char *name;
    void (*run)(void);
    unsigned most; /* of each call, so many are refused: the rest are alike */
};

static const struct scenario control = {"control", leaky, 12},
                             scenarios[] = {
                                 {"environment", environment, 12}, {"processors", processors, 12},
                                 {"resolver", resolver, 12},       {"missing file", missing, 12},
                                 {"balancer", balancer, 60},       {"prober", prober, 3},
};
#define SCENARIOS (sizeof scenarios / sizeof *scenarios)

static int next_descriptor(void)
{
    int fd = dup(0);

    CHECK(fd >= 0 && __real_close(fd) == 0);
    return fd;
}

/* Runs in a child; what hangs is killed by its alarm. Returns false when a promise was broken. */
static bool run(const struct scenario *scenario, enum call call, unsigned at, bool on)
{
    pid_t child;
    int status = 0;

    memset(shared, 0, sizeof *shared);
    child = fork();
    if (child == 0) {
        int fd = next_descriptor();

        (void)alarm(60);
        victim = call;
        victim_at = at;
        for_good = on;
        arm(true);
        scenario->run();
        CHECK(next_descriptor() == fd);
        CHECK(__atomic_load_n(&pieces, __ATOMIC_RELAXED) == 0);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        (void)fprintf(stderr, "%s: %s refused, number %u%s: status 0x%x\n", scenario->name,
                      call == CALL_COUNT ? "nothing" : names[call], at,
                      on ? " and all later ones" : "", (unsigned)status);
        return false;
    }
    return true;
}

static pid_t serve(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    static const char answer[] = "HTTP/1.1 200 OK\r\n\r\n";
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    pid_t child;

    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, bytes) == 0 && listen(fd, 100) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &bytes) == 0);
    port = ntohs(address.sin_port);
    child = fork();
    CHECK(child >= 0);
    if (child != 0) {
        (void)close(fd);
        return child;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)alarm(900);
    for (;;) {
        char request[512];
        int peer = accept(fd, NULL, NULL);

        if (peer < 0)
            continue;
        if (read(peer, request, sizeof request) > 0)
            (void)!write(peer, answer, sizeof answer - 1);
        (void)close(peer);
    }
}

/* Returns false when a promise was broken; faults: how often each call was refused. */
static bool refuse_each(const struct scenario *scenario, unsigned faults[CALL_COUNT])
{
    unsigned made[CALL_COUNT];
    bool ok = run(scenario, CALL_COUNT, 0, false);

    memcpy(made, shared->made, sizeof made);
    for (unsigned call = 0; call < CALL_COUNT; call++) {
        for (unsigned at = 1; at <= made[call] && at <= scenario->most; at++) {
            for (unsigned on = 0; on < 2; on++) {
                ok &= run(scenario, (enum call)call, at, on != 0);
                faults[call] += shared->refused;
            }
        }
    }
    return ok;
}

static bool refuse_everything(void)
{
    unsigned faults[CALL_COUNT] = {0}, total = 0;
    bool ok = true;

    for (unsigned i = 0; i < SCENARIOS; i++)
        ok &= refuse_each(&scenarios[i], faults);
    for (unsigned call = 0; call < CALL_COUNT; call++) {
        (void)printf("%-20s %u\n", names[call], faults[call]);
        total += faults[call];
        if (faults[call] == 0) {
            (void)fprintf(stderr, "%s was never refused\n", names[call]);
            ok = false;
        }
    }
    (void)printf("%d calls, refused %u times\n", CALL_COUNT, total);
    return ok;
}

int main(int argc, char **argv)
{
    static const char text[] = "192.0.2.1:80\n192.0.2.2:80\n";
    pid_t server;
    int fd;
    bool ok;

    if (argc > 1 && strcmp(argv[1], "names") == 0) {
        for (unsigned call = 0; call < CALL_COUNT; call++)
            (void)printf("%s\n", names[call]);
        return 0;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    if (argc > 1) {
        unsigned faults[CALL_COUNT] = {0};

        return refuse_each(&control, faults) ? 0 : 1;
    }
    (void)strcpy(list_path, "/tmp/resil-faults-XXXXXX");
    fd = mkstemp(list_path);
    CHECK(fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1);
    (void)close(fd);
    server = serve();
    ok = refuse_everything();
    (void)kill(server, SIGKILL);
    (void)waitpid(server, NULL, 0);
    (void)unlink(list_path);
    return ok ? 0 : 1;
}
