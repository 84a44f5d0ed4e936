/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Threads that pick, look at what they picked, and report at leisure, while one replaces the list,
 * another ticks, flips health and changes the picker, and more come and go. What is freed is
 * overwritten first.
 */
#include "test.h"

#include <pthread.h>
#include <sched.h>

#include <resil/env.h>
#include <resil/resil.h>

#include "base/atomic.h"
#include "base/epoch.h"

#if defined(RESIL__EPOCH_TSAN) || defined(__SANITIZE_ADDRESS__)
#define LISTS 60
#else
#define LISTS 1000
#endif
#define PICKERS   4
#define HELD      16
#define ADDRESSES 2000
#define LISTED    1000
#define MAGIC     UINT64_C(0x5eed5eed5eed5eed)

/* Beside each endpoint. */
struct beside {
    uint64_t magic;
    uint64_t id; /* who picks first says it */
    const char *name;
};

static struct resil_balancer lb;
static char names[ADDRESSES][16];
static uint64_t ids[ADDRESSES]; /* the writer's: the id last seen of an address */
static uint64_t now_ns, bytes, beside_made, beside_gone, picks, stop;
static uint32_t broken;

static void promise(bool kept, uint32_t line)
{
    uint32_t none = 0;

    if (!kept)
        (void)resil__cas32(&broken, &none, line);
}

#define PROMISE(condition) promise((condition), (uint32_t)__LINE__)

static void *allocate(void *arg, size_t size, size_t alignment)
{
    (void)arg;
    (void)resil__add(&bytes, size);
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void release(void *arg, void *memory, size_t size)
{
    (void)arg;
    memset(memory, 0xdd, size);
    (void)resil__sub(&bytes, size);
    free(memory);
}

static int begin_beside(void *arg, void *memory, const struct resil_endpoint *endpoint)
{
    struct beside *beside = memory;

    (void)arg;
    PROMISE(beside->magic == 0 && beside->id == 0 && (uintptr_t)memory % 64 == 0);
    beside->magic = MAGIC;
    beside->name = endpoint->user;
    (void)resil__add(&beside_made, 1);
    return RESIL_OK;
}

static void end_beside(void *arg, void *memory)
{
    struct beside *beside = memory;

    (void)arg;
    PROMISE(beside->magic == MAGIC);
    beside->magic = 0;
    (void)resil__add(&beside_gone, 1);
}

static void look_at(const struct resil_pick *pick)
{
    struct beside *beside = pick->state;
    uint64_t none = 0;

    PROMISE(beside->magic == MAGIC && beside->name == pick->user);
    PROMISE(strcmp(pick->address, pick->user) == 0);
    (void)resil__cas(&beside->id, &none, pick->id);
    PROMISE(resil__load_relaxed(&beside->id) == pick->id);
}

static void report(struct resil_pick *pick, uint64_t *seed)
{
    /* Some addresses are ill: they fail until they are ejected. */
    bool ill = strlen(pick->address) > 3 && pick->address[3] == '7' && test_below(seed, 8) != 0;

    look_at(pick);
    PROMISE(resil_balancer_report(&lb, pick, ill ? RESIL_TIMEOUT : RESIL_SUCCESS,
                                  test_below(seed, RESIL_MS(10)),
                                  resil__load_relaxed(&now_ns)) == RESIL_OK);
}

/* One pick that may be kept; who was kept longest is excluded. */
static void pick_one(struct resil_pick *held, size_t *count, uint64_t *seed)
{
    struct resil_pick_request request = {.key = test_random(seed)};
    uint64_t excluded = *count != 0 ? held[0].id : 0;

    request.excluded = &excluded;
    request.excluded_count = test_below(seed, 4) == 0;
    if (test_below(seed, 16) == 0)
        request.sticky = excluded;
    if (resil_balancer_pick(&lb, &request, resil__load_relaxed(&now_ns), &held[*count]) != RESIL_OK)
        return;
    PROMISE(request.excluded_count == 0 || held[*count].id != excluded);
    look_at(&held[*count]);
    (*count)++;
    (void)resil__add_relaxed(&picks, 1);
}

static void *pick_on(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    struct resil_pick held[HELD];
    size_t count = 0;

    while (resil__load_acquire(&stop) == 0) {
        pick_one(held, &count, &seed);
        while (count > 0 && (count == HELD || test_below(&seed, 2) != 0)) {
            size_t at = test_below(&seed, count);

            report(&held[at], &seed);
            held[at] = held[--count];
        }
    }
    while (count > 0)
        report(&held[--count], &seed);
    return NULL;
}

static void *pick_once(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    struct resil_pick held[1];
    size_t count = 0;

    pick_one(held, &count, &seed);
    while (count > 0)
        report(&held[--count], &seed);
    return NULL;
}

static void *come_and_go(void *arg)
{
    uintptr_t n = 1;

    (void)arg;
    while (resil__load_acquire(&stop) == 0) {
        pthread_t threads[3];

        for (size_t i = 0; i < 3; i++)
            PROMISE(pthread_create(&threads[i], NULL, pick_once, (void *)n++) == 0);
        for (size_t i = 0; i < 3; i++)
            PROMISE(pthread_join(threads[i], NULL) == 0);
    }
    return NULL;
}

static const struct resil_balancer_config *config_of(uint64_t turn)
{
    static const struct resil_allocator allocator = {
        .size = sizeof allocator, .allocate = allocate, .release = release};
    static struct resil_balancer_config config;
    const struct resil_picker *pickers[] = {
        resil_picker_least_requests(), resil_picker_smooth_weighted(), resil_picker_bounded_load(),
        resil_picker_prequal(),        resil_picker_peak_ewma(),       resil_picker_maglev(),
    };

    config = (struct resil_balancer_config){
        .picker = pickers[turn % 6],
        .options = {.maglev_size = 2003, .ring_max = 4096},
        .allocator = &allocator,
        .seed = 1,
        .outlier = {.max_ejected_pct = 30},
        .slow_start = {.window_ns = RESIL_SEC(1)},
        .zone = turn % 2 != 0 ? "a" : NULL,
        .state_size = sizeof(struct beside),
        .state_init = begin_beside,
        .state_fini = end_beside,
    };
    return &config;
}

/* Ticks; and now and then a check changes its mind, or the config changes. */
static void *tick_on(void *arg)
{
    uint64_t seed = 99;

    (void)arg;
    for (uint64_t turn = 1; resil__load_acquire(&stop) == 0; turn++) {
        uint64_t now = resil__add(&now_ns, RESIL_MS(5));
        struct resil_endpoint_snapshot is;
        struct resil_balancer_event event;

        PROMISE(resil_balancer_tick(&lb, now, NULL) == RESIL_OK);
        if (resil_balancer_endpoint(&lb, test_below(&seed, LISTED), now, &is) == RESIL_OK)
            (void)resil_balancer_health(&lb, is.id, test_below(&seed, 3) != 0, now);
        if (turn % 16 == 0)
            (void)resil_balancer_admin(&lb, names[test_below(&seed, ADDRESSES)],
                                       (enum resil_endpoint_admin)test_below(&seed, 2), now);
        if (turn % 64 == 0) {
            int rc = resil_balancer_reconfigure(&lb, config_of(turn / 64), now);

            PROMISE(rc == RESIL_OK || rc == RESIL_EBUSY);
        }
        while (resil_balancer_event(&lb, &event))
            PROMISE(event.kind != 0);
        (void)sched_yield();
    }
    return NULL;
}

/* An address that has another id than before has a greater one than anybody had. */
static void compare_ids(uint64_t *greatest)
{
    uint64_t before = *greatest;

    for (size_t i = 0; i < LISTED; i++) {
        struct resil_endpoint_snapshot is;
        size_t at;

        assert_int_equal(resil_balancer_endpoint(&lb, i, resil__load_relaxed(&now_ns), &is),
                         RESIL_OK);
        at = strtoul(is.address + 1, NULL, 10);
        assert_true(is.id == ids[at] || is.id > before);
        ids[at] = is.id;
        if (is.id > *greatest)
            *greatest = is.id;
    }
}

static void replace_lists(void)
{
    static struct resil_endpoint endpoints[LISTED];
    uint64_t seed = test_seed(7);
    uint64_t greatest = 0;
    uint64_t end_ns = resil_now_ns() + RESIL_MS(test_torture_ms());

    for (size_t n = 0; n < LISTS || resil_now_ns() < end_ns; n++) {
        size_t from = test_below(&seed, ADDRESSES);
        size_t busy = 0;
        int rc;

        for (size_t i = 0; i < LISTED; i++) {
            size_t at = (from + i) % ADDRESSES;

            endpoints[i] = (struct resil_endpoint){.address = names[at],
                                                   .user = names[at],
                                                   .weight = 1 + at % 3,
                                                   .priority = at % 2,
                                                   .zone = at % 5 == 0 ? "a" : "b"};
        }
        do {
            rc = resil_balancer_update(&lb, endpoints, LISTED, resil__load_relaxed(&now_ns));
            if (rc == RESIL_EBUSY)
                (void)sched_yield();
        } while (rc == RESIL_EBUSY && ++busy < 100000);
        assert_int_equal(rc, RESIL_OK);
        compare_ids(&greatest);
    }
}

static void nobody_sees_what_is_freed_and_all_is_freed(void **state)
{
    pthread_t threads[PICKERS + 2];
    struct resil_balancer_snapshot all;

    (void)state;
    for (size_t i = 0; i < ADDRESSES; i++)
        (void)snprintf(names[i], sizeof names[i], "h%zu", i);
    resil__store_release(&now_ns, RESIL_SEC(1000));
    assert_int_equal(resil_balancer_init(&lb, config_of(0)), RESIL_OK);
    for (uintptr_t i = 0; i < PICKERS + 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i < PICKERS    ? pick_on
                                        : i == PICKERS ? tick_on
                                                       : come_and_go,
                                        (void *)(i + 1)),
                         0);
    replace_lists();
    resil__store_release(&stop, 1);
    for (size_t i = 0; i < PICKERS + 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(resil__load_acquire32(&broken), 0);
    assert_true(resil__load_relaxed(&picks) > 1000);
    for (int i = 0; i < 2; i++)
        assert_int_equal(resil_balancer_tick(&lb, resil__add(&now_ns, RESIL_SEC(20)), NULL),
                         RESIL_OK);
    assert_int_equal(resil_balancer_snapshot(&lb, &all), RESIL_OK);
    assert_int_equal(all.in_flight, 0);
    assert_int_equal(all.retired, 0);
    assert_int_equal(all.leaving, 0);
    assert_int_equal(all.memory, bytes);
    assert_int_equal(resil_balancer_fini(&lb), RESIL_OK);
    assert_int_equal(bytes, 0);
    assert_int_equal(beside_made, beside_gone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_sees_what_is_freed_and_all_is_freed),
    };

    return cmocka_run_group_tests_name("balancer torture", tests, NULL, NULL);
}
