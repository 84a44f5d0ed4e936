/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 200809L

/* The window counter under threads. */
#include "limits_rig.h"

#include <resil/window.h>

#define PERIOD_NS UINT64_C(1000000)
#define LIMIT     UINT64_C(100)

static struct resil_window window;

static void setup(void)
{
    assert_int_equal(
        resil_window_init(&window,
                          &(struct resil_window_config){.limit = LIMIT, .period_ns = PERIOD_NS}),
        RESIL_OK);
}

/* Takes and gives back, in one moment; what is kept is counted. */
static void take_and_cancel(struct rig *rig, uint64_t *random, uint64_t *granted)
{
    uint64_t cost = 1 + test_below(random, 3);
    struct resil_reservation reservation;

    if (resil_window_reserve(&window, cost, rig->clock_ns, &reservation) != RESIL_OK)
        return;
    if (test_below(random, 10) != 0) {
        if (resil_window_cancel(&window, &reservation, rig->clock_ns) != RESIL_OK)
            abort();
        return;
    }
    *granted += cost;
}

static void window_counts_every_token_while_the_clock_stands(void **state)
{
    static struct rig rig = {.work = take_and_cancel};
    struct resil_window_snapshot snapshot;

    (void)state;
    setup();
    (void)rig_run(&rig, test_torture_ms());
    resil_window_snapshot(&window, rig.clock_ns, &snapshot);
    assert_int_equal(snapshot.used, rig.granted);
    assert_true(rig.granted <= LIMIT);
}

static void take(struct rig *rig, uint64_t *random, uint64_t *granted)
{
    uint64_t now_ns = rig_now(rig, random, PERIOD_NS / LIMIT);

    if (test_below(random, 256) == 0) {
        struct resil_window_config config = {.limit = LIMIT - test_below(random, 2),
                                             .period_ns = PERIOD_NS};
        int rc = resil_window_reconfigure(&window, &config, now_ns);

        if (rc != RESIL_OK && rc != RESIL_EBUSY)
            abort();
    } else {
        *granted += resil_window_acquire(&window, 1, now_ns, NULL) == RESIL_OK;
    }
}

static void window_never_exceeds_the_limit_per_period(void **state)
{
    static struct rig rig = {.work = take};
    uint64_t granted;

    (void)state;
    setup();
    granted = rig_run(&rig, test_torture_ms());
    assert_true(granted > 0);
    assert_true(granted <= ((rig.clock_ns - START_NS) / PERIOD_NS + 1) * LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_counts_every_token_while_the_clock_stands),
        cmocka_unit_test(window_never_exceeds_the_limit_per_period),
    };

    return cmocka_run_group_tests_name("window torture", tests, NULL, NULL);
}
