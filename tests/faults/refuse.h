/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_REFUSE_H
#define RESIL_TEST_REFUSE_H

/* Calls of the system that are refused on demand: linked with --wrap for each of them. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

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

extern const char *const refuse_names[CALL_COUNT];

/* A run's process writes, its parent reads. */
struct refuse_counts {
    unsigned made[CALL_COUNT];
    unsigned refused;
};

extern struct refuse_counts *refuse_counts;

/** Whom to refuse: call number at (1 = the first), and for good all later ones. */
void refuse(enum call call, unsigned at, bool for_good);

/** Nothing is counted or refused while off. */
void refuse_arm(bool on);

/** Pieces of memory that were not given back. */
int refuse_pieces(void);

/* The calls themselves. */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg);
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_pipe2(int *fds, int flags);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes);
void __wrap_free(void *memory);

/* What a run does. */
struct scenario {
    const char *name;
    void (*run)(void);
    unsigned most; /* of each call, so many are refused: the rest are alike */
};

#define SCENARIOS 6
extern const struct scenario scenarios[SCENARIOS];
extern const struct scenario scenario_control;
extern uint16_t scenario_port; /* of a server that answers every request with 200 */
extern char scenario_path[64]; /* of a list of two endpoints */

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                  \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

#endif
