/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "refuse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

const char *const refuse_names[CALL_COUNT] = {
#define CALL_NAME(name) #name,
    CALLS(CALL_NAME)
#undef CALL_NAME
};

struct refuse_counts *refuse_counts;

static bool armed;
static enum call victim = CALL_COUNT;
static unsigned victim_at; /* 1 = the first */
static bool for_good;
static int pieces; /* of memory not given back */

/* Is this one to be refused? */
static bool fault(enum call call, int err)
{
    unsigned made;

    if (!__atomic_load_n(&armed, __ATOMIC_ACQUIRE))
        return false;
    made = __atomic_add_fetch(&refuse_counts->made[call], 1, __ATOMIC_RELAXED);
    if (call != victim || made < victim_at || (made > victim_at && !for_good))
        return false;
    (void)__atomic_add_fetch(&refuse_counts->refused, 1, __ATOMIC_RELAXED);
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
WRAP(int, stat, stat, (const char *n, struct stat *s), (n, s), EACCES, -1)
WRAP(int, stat64, stat, (const char *n, struct stat *s), (n, s), EACCES, -1)
WRAP(int, __xpg_strerror_r, strerror_r, (int e, char *t, size_t n), (e, t, n), 0, ERANGE)
WRAP(ssize_t, write, write, (int fd, const void *p, size_t n), (fd, p, n), EIO, -1)

/* No descriptor outlives an exec, and nothing raises SIGPIPE. */
int __real_pipe2(int *fds, int flags);
int __wrap_pipe2(int *fds, int flags)
{
    CHECK((flags & O_CLOEXEC) != 0);
    return fault(CALL_pipe2, EMFILE) ? -1 : __real_pipe2(fds, flags);
}

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol)
{
    CHECK((type & SOCK_CLOEXEC) != 0);
    return fault(CALL_socket, EMFILE) ? -1 : __real_socket(family, type, protocol);
}

ssize_t __real_send(int fd, const void *bytes, size_t count, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t count, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t count, int flags)
{
    CHECK((flags & MSG_NOSIGNAL) != 0);
    return fault(CALL_send, EPIPE) ? -1 : __real_send(fd, bytes, count, flags);
}

/* The descriptor is gone all the same, as on Linux. */
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
    CHECK(!__atomic_load_n(&armed, __ATOMIC_ACQUIRE) || (flags & O_CLOEXEC) != 0);
    return fault(CALL_open, EMFILE) ? -1 : __real_open(path, flags, 0600);
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    CHECK(!__atomic_load_n(&armed, __ATOMIC_ACQUIRE) || (flags & O_CLOEXEC) != 0);
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
int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    int rc =
        fault(CALL_posix_memalign, 0) ? ENOMEM : __real_posix_memalign(memory, alignment, bytes);

    if (rc == 0)
        (void)__atomic_add_fetch(&pieces, 1, __ATOMIC_RELAXED);
    return rc;
}

void __real_free(void *memory);
void __wrap_free(void *memory)
{
    if (memory != NULL)
        (void)__atomic_sub_fetch(&pieces, 1, __ATOMIC_RELAXED);
    __real_free(memory);
}

void refuse(enum call call, unsigned at, bool on)
{
    victim = call;
    victim_at = at;
    for_good = on;
}

void refuse_arm(bool on)
{
    __atomic_store_n(&armed, on, __ATOMIC_RELEASE);
}

int refuse_pieces(void)
{
    return __atomic_load_n(&pieces, __ATOMIC_RELAXED);
}
