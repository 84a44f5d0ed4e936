/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Four worker processes, one breaker and one rate limit: both lie in a shared mapping, as plain
 * words without pointers. When one worker learns that the peer is down, all four stop asking; and
 * together they stay below the rate. What holds pointers (the chain) each worker builds for itself.
 */
#define _GNU_SOURCE
#include <resil/breaker.h>
#include <resil/chain.h>
#include <resil/limiter.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 4
#define RATE    1000 /* calls per second, of all workers together */
#define BURST   50

/* What one worker has seen. A cache line each: counting would slow the neighbours down
   otherwise. */
struct tally {
    atomic_ullong called;
    atomic_ullong failed;
    atomic_ullong limited;
    atomic_ullong open;
    char pad[32];
};

struct shared {
    struct resil_breaker breaker;
    struct resil_limiter limiter;
    atomic_bool peer_down; /* stands for the peer */
    atomic_bool stop;
    struct tally tallies[WORKERS];
};

static void sleep_ms(long ms)
{
    const struct timespec span = {ms / 1000, ms % 1000 * 1000000};

    (void)nanosleep(&span, NULL);
}

static enum resil_outcome ask_peer(void *arg, struct resil_attempt *attempt)
{
    struct shared *shared = arg;

    (void)attempt;
    return atomic_load(&shared->peer_down) ? RESIL_NOT_SENT : RESIL_SUCCESS;
}

/* A worker's life. Returns its exit status. */
static int work(struct shared *shared, struct tally *tally)
{
    struct resil_policy policies[2] = {
        resil_breaker_policy(&shared->breaker),
        resil_limiter_policy(&shared->limiter),
    };
    struct resil_chain chain;

    if (resil_chain_init(&chain, policies, 2, NULL, 0) != RESIL_OK)
        return EXIT_FAILURE;
    while (!atomic_load(&shared->stop)) {
        int rc = resil_chain_run(&chain, resil_env_posix(), NULL, ask_peer, shared, NULL);

        if (rc == RESIL_EOPEN)
            (void)atomic_fetch_add(&tally->open, 1);
        else if (rc == RESIL_ELIMITED)
            (void)atomic_fetch_add(&tally->limited, 1);
        else
            (void)atomic_fetch_add(&tally->called, 1);
        if (rc == RESIL_EFAILED)
            (void)atomic_fetch_add(&tally->failed, 1);
        sleep_ms(1);
    }
    return EXIT_SUCCESS;
}

/* Once, before the fork: a second init would wipe out what others have written. */
static struct shared *share(void)
{
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct resil_breaker_config breaker = {.consecutive = 5, .open_ns = RESIL_MS(200)};
    const struct resil_limiter_config limiter = {
        .tokens = RATE, .period_ns = RESIL_SEC(1), .burst = BURST};

    if (shared == MAP_FAILED || resil_breaker_init(&shared->breaker, &breaker) != RESIL_OK ||
        resil_limiter_init(&shared->limiter, &limiter) != RESIL_OK)
        return NULL;
    return shared; /* the rest is zero, as fresh mappings are */
}

int main(void)
{
    struct shared *shared = share();
    pid_t workers[WORKERS];
    unsigned long long called = 0;
    unsigned long long allowed;
    uint64_t start_ns = resil_now_ns();
    bool good = shared != NULL;
    int started = 0;

    while (good && started < WORKERS) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(work(shared, &shared->tallies[started]));
        good = pid > 0;
        if (good)
            workers[started++] = pid;
    }
    if (good) {
        sleep_ms(400);
        atomic_store(&shared->peer_down, true);
        sleep_ms(400);
    }
    if (shared != NULL)
        atomic_store(&shared->stop, true);
    for (int i = 0; i < started; i++) {
        int status = 0;

        good = waitpid(workers[i], &status, 0) == workers[i] && WIFEXITED(status) &&
               WEXITSTATUS(status) == EXIT_SUCCESS && good;
    }
    allowed = BURST + RATE * (resil_now_ns() - start_ns) / RESIL_SEC(1);
    for (int i = 0; good && i < WORKERS; i++) {
        struct tally *tally = &shared->tallies[i];

        (void)printf(
            "worker %d: %4llu calls, %2llu failed, %3llu refused by the limit, %3llu by the "
            "breaker\n",
            i + 1, atomic_load(&tally->called), atomic_load(&tally->failed),
            atomic_load(&tally->limited), atomic_load(&tally->open));
        called += atomic_load(&tally->called);
        good = atomic_load(&tally->open) > 0; /* each was told, whoever found out */
    }
    (void)printf("together %llu calls, the limit allows %llu\n", called, allowed);
    return good && called <= allowed ? EXIT_SUCCESS : EXIT_FAILURE;
}
