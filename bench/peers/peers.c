/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Peers that are native code, and what one would write first, as our own reference: a token bucket
 * behind a mutex that reads the clock, and smooth weighted round robin behind a mutex as nginx
 * describes it (every server's current weight grows by its weight, the greatest is picked and falls
 * by the sum).
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <time.h>

#include "bench.h"
#include "peers.h"

#define HOSTS  8
#define SECOND UINT64_C(1000000000)
#define BURST  SECOND

/* A token each nanosecond. */
static BENCH_APART struct {
    pthread_mutex_t mutex;
    uint64_t tokens;
    uint64_t filled_ns;
} bucket = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static uint64_t clock_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static bool setup_bucket(uint32_t threads)
{
    (void)threads;
    bucket.tokens = BURST;
    bucket.filled_ns = clock_ns();
    return true;
}

static bool take(void)
{
    uint64_t now_ns = clock_ns();
    bool granted;

    (void)pthread_mutex_lock(&bucket.mutex);
    if (now_ns > bucket.filled_ns) {
        bucket.tokens += now_ns - bucket.filled_ns;
        bucket.tokens = bucket.tokens < BURST ? bucket.tokens : BURST;
        bucket.filled_ns = now_ns;
    }
    granted = bucket.tokens > 0;
    bucket.tokens -= granted;
    (void)pthread_mutex_unlock(&bucket.mutex);
    return granted;
}

static void run_bucket(uint64_t iterations, uint32_t thread)
{
    uint64_t granted = 0;

    (void)thread;
    for (uint64_t i = 0; i < iterations; i++)
        granted += take();
    if (granted != iterations)
        bench_fail("peer.bucket_mutex");
}

static BENCH_APART struct {
    pthread_mutex_t mutex;
    struct {
        int64_t weight;
        int64_t current;
    } hosts[HOSTS];
} robin = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static bool setup_robin(uint32_t threads)
{
    (void)threads;
    for (int i = 0; i < HOSTS; i++) {
        robin.hosts[i].weight = 1 + i % 5;
        robin.hosts[i].current = 0;
    }
    return true;
}

static uint64_t next(void)
{
    int64_t sum = 0;
    int best = 0;

    (void)pthread_mutex_lock(&robin.mutex);
    for (int i = 0; i < HOSTS; i++) {
        robin.hosts[i].current += robin.hosts[i].weight;
        sum += robin.hosts[i].weight;
        if (robin.hosts[i].current > robin.hosts[best].current)
            best = i;
    }
    robin.hosts[best].current -= sum;
    (void)pthread_mutex_unlock(&robin.mutex);
    return (uint64_t)best;
}

static void run_robin(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    for (uint64_t i = 0; i < iterations; i++)
        bench_keep(next());
}

#ifdef PEER_SEMAPHORE
static bool setup_semaphore(uint32_t threads)
{
    semaphore_setup(threads);
    return true;
}

static void run_semaphore(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    if (semaphore_run(iterations) != 0)
        bench_fail("peer.counting_semaphore");
}
#endif

#ifdef PEER_KETAMA
static bool setup_ketama(uint32_t threads)
{
    return ketama_setup(threads) == 0;
}

static void run_ketama(uint64_t iterations, uint32_t thread)
{
    if (ketama_run(iterations, thread) != 0)
        bench_fail("peer.ketama.8");
}
#endif

static const struct bench rows[] = {
    {.name = "peer.bucket_mutex", .setup = setup_bucket, .run = run_bucket},
    {.name = "peer.wrr_mutex.8", .setup = setup_robin, .run = run_robin},
#ifdef PEER_SEMAPHORE
    {.name = "peer.counting_semaphore", .setup = setup_semaphore, .run = run_semaphore},
#endif
#ifdef PEER_KETAMA
    {.name = "peer.ketama.8",
     .setup = setup_ketama,
     .run = run_ketama,
     .teardown = ketama_teardown},
#endif
};

BENCH_GROUP(peers, rows);
