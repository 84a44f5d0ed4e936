/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The window counter against a list of grants, each with the number of the window that it counts
 * in: the estimate is summed anew each time, in doubles of which every value here is a whole
 * number. A second test holds the error against the stated bound, with a log of all grants.
 */
#include "shrink.h"

#include <resil/window.h>

#define OPERATIONS MODEL_OPERATIONS(2000000, 200000)

#define KEPT   8
#define ROUNDS 20

struct grant {
    uint64_t window;
    uint64_t cost;
};

struct bench {
    struct resil_window window;
    struct grant grants[OPERATIONS];
    size_t count;
    struct {
        struct resil_reservation reservation;
        size_t number;
    } kept[KEPT];
    uint64_t limit;
    uint64_t period_ns;
    uint64_t newest; /* window with a grant in it */
    uint64_t now_ns;
    uint64_t random;
    uint64_t seed;
    uint64_t operation;
};

/* The control: a list in which the window before counts in full. */
static bool steps;

static uint64_t sum(const struct bench *bench, uint64_t window)
{
    uint64_t total = 0;

    for (size_t i = bench->count; i-- > 0 && bench->grants[i].window + 2 > window;)
        if (bench->grants[i].window == window)
            total += bench->grants[i].cost;
    return total;
}

/* The window in which a call at this time counts, and the estimate times the period. */
static uint64_t judged_in(const struct bench *bench)
{
    uint64_t window = bench->now_ns / bench->period_ns;

    return bench->newest > window ? bench->newest : window;
}

static uint64_t estimate(const struct bench *bench, uint64_t at_ns)
{
    uint64_t window = judged_in(bench);
    uint64_t into_ns = at_ns > window * bench->period_ns ? at_ns - window * bench->period_ns : 0;

    return sum(bench, window) * bench->period_ns +
           sum(bench, window - 1) * (bench->period_ns - (steps ? 0 : into_ns));
}

static bool fits(const struct bench *bench, uint64_t cost)
{
    return estimate(bench, bench->now_ns) + cost * bench->period_ns <=
           bench->limit * bench->period_ns;
}

static void take(struct bench *bench, uint64_t cost)
{
    size_t slot = test_below(&bench->random, KEPT);
    struct resil_reservation reservation;
    bool will = fits(bench, cost);
    uint64_t window = judged_in(bench);
    int rc = resil_window_reserve(&bench->window, cost, bench->now_ns, &reservation);

    if (cost > bench->limit) {
        MODEL_CHECK(bench, rc == RESIL_ECOST);
        return;
    }
    MODEL_CHECK(bench, rc == (will ? RESIL_OK : RESIL_ELIMITED));
    if (rc != RESIL_OK) {
        MODEL_CHECK(bench, reservation.at_ns > bench->now_ns);
        MODEL_CHECK(bench,
                    resil_window_peek(&bench->window, cost, reservation.at_ns, NULL) == RESIL_OK);
        MODEL_CHECK(bench, resil_window_peek(&bench->window, cost, reservation.at_ns - 1, NULL) ==
                               RESIL_ELIMITED);
        return;
    }
    bench->grants[bench->count] = (struct grant){window, cost};
    bench->newest = window;
    bench->kept[slot].reservation = reservation;
    bench->kept[slot].number = bench->count++;
}

static void cancel(struct bench *bench)
{
    size_t slot = test_below(&bench->random, KEPT);
    struct grant *grant = &bench->grants[bench->kept[slot].number];
    bool is_spent = bench->kept[slot].reservation.back_ == 0;
    bool counts = grant->window + 1 >= bench->newest && grant->window + 1 >= judged_in(bench);
    int rc = resil_window_cancel(&bench->window, &bench->kept[slot].reservation, bench->now_ns);

    if (is_spent) {
        MODEL_CHECK(bench, rc == RESIL_EINVAL);
        return;
    }
    MODEL_CHECK(bench, rc == RESIL_OK || !counts);
    if (rc == RESIL_OK)
        grant->cost = 0;
}

static void step(struct bench *bench)
{
    uint64_t real_ns = bench->now_ns;
    uint64_t most = test_below(&bench->random, 4) == 0 ? bench->limit + 1 : 3;
    struct resil_window_snapshot snapshot;
    uint64_t used;

    if (test_below(&bench->random, 2) == 0)
        real_ns += test_below(&bench->random, bench->period_ns / bench->limit * 8);
    if (test_below(&bench->random, 64) == 0)
        real_ns += test_below(&bench->random, bench->period_ns * 4);
    bench->now_ns = real_ns;
    if (test_below(&bench->random, 16) == 0)
        bench->now_ns -= test_below(&bench->random, bench->period_ns * 2);
    if (test_below(&bench->random, 8) == 0)
        cancel(bench);
    else
        take(bench, 1 + test_below(&bench->random, most));
    used = estimate(bench, bench->now_ns);
    resil_window_snapshot(&bench->window, bench->now_ns, &snapshot);
    MODEL_CHECK(bench, snapshot.used == used / bench->period_ns + (used % bench->period_ns != 0));
    bench->now_ns = real_ns;
}

static void start(struct bench *bench)
{
    bench->limit = 1 + test_below(&bench->random, 40);
    bench->period_ns = RESIL_MS(1) + test_below(&bench->random, RESIL_MS(5));
    bench->now_ns = RESIL_SEC(1000);
    bench->newest = 0;
    bench->count = 0;
    memset(bench->kept, 0, sizeof bench->kept);
    assert_int_equal(resil_window_init(&bench->window,
                                       &(struct resil_window_config){
                                           .limit = bench->limit, .period_ns = bench->period_ns}),
                     RESIL_OK);
}

static struct bench shared;

static void start_shared(void)
{
    start(&shared);
}

static void step_shared(void)
{
    step(&shared);
}

static const struct model_subject model = {start_shared, step_shared, &shared.random};

static void window_agrees_with_a_list(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++)
        model_run(&model, test_seed(20240610) + round, OPERATIONS / ROUNDS);
}

static void a_window_without_a_slope_is_found(void **state)
{
    (void)state;
    steps = true;
    model_finds(&model, 20240610, OPERATIONS, 4, "the window before in full");
    steps = false;
}

/* Bursts and trickles at random; grants[].window is the told time here. */
static void window_stays_within_its_stated_bounds(void **state)
{
    struct bench *bench = &shared;

    (void)state;
    bench->seed = test_seed(20240611);
    bench->random = bench->seed;
    bench->operation = 0;
    for (uint64_t round = 0; round < 20; round++) {
        size_t oldest = 0;
        uint64_t on_grid = 0;
        uint64_t grid = 0;

        start(bench);
        for (uint64_t i = 0; i < OPERATIONS / 40; i++, bench->operation++) {
            uint64_t most = test_below(&bench->random, 3) == 0 ? bench->period_ns
                                                               : bench->period_ns / bench->limit;

            if (test_below(&bench->random, 4) == 0)
                bench->now_ns += test_below(&bench->random, most + 1);
            if (resil_window_acquire(&bench->window, 1, bench->now_ns, NULL) != RESIL_OK)
                continue;
            bench->grants[bench->count++] = (struct grant){bench->now_ns, 1};
            while (bench->grants[oldest].window + bench->period_ns <= bench->now_ns)
                oldest++;
            on_grid = bench->now_ns / bench->period_ns == grid ? on_grid + 1 : 1;
            grid = bench->now_ns / bench->period_ns;
            MODEL_CHECK(bench, bench->count - oldest <= 2 * bench->limit - 1);
            MODEL_CHECK(bench, on_grid <= bench->limit);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_without_a_slope_is_found),
        cmocka_unit_test(window_agrees_with_a_list),
        cmocka_unit_test(window_stays_within_its_stated_bounds),
    };

    return cmocka_run_group_tests_name("window model", tests, NULL, NULL);
}
