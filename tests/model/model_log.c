/* SPDX-License-Identifier: BSD-2-Clause */

/* The log against a list of all calls, looked through from the end. */
#include "shrink.h"

#include <resil/log.h>

#define OPERATIONS MODEL_OPERATIONS(2000000, 200000)

#define LIMIT_MAX 40
#define KEPT      8

struct call {
    uint64_t told_ns;
    uint64_t noted_ns; /* not before the call before it */
};

struct bench {
    union {
        struct resil_log log;
        uint64_t words[16 + LIMIT_MAX];
    } room;
    struct call calls[OPERATIONS];
    size_t count;
    struct {
        struct resil_reservation reservation;
        size_t number;
        uint64_t serial;
    } kept[KEPT];
    uint64_t serials[OPERATIONS];
    uint64_t serial;
    uint64_t limit;
    uint64_t period_ns;
    uint64_t now_ns;
    uint64_t random;
    uint64_t seed;
    uint64_t operation;
};

/* The control: a period that is longer. */
static uint64_t too_long_ns;

/* Times are noted in order: the first that has left the period ends the search. */
static uint64_t used(const struct bench *bench)
{
    uint64_t count = 0;

    while (count < bench->count &&
           bench->calls[bench->count - 1 - count].noted_ns + bench->period_ns + too_long_ns >
               bench->now_ns)
        count++;
    return count;
}

/* Of told times: the span that ends with this call. */
static void check_the_promise(const struct bench *bench)
{
    const struct call *last = &bench->calls[bench->count - 1];
    uint64_t within = 0;

    for (size_t i = bench->count; i-- > 0 && bench->count - i <= 3 * bench->limit;) {
        uint64_t told_ns = bench->calls[i].told_ns;

        within += told_ns <= last->told_ns && told_ns + bench->period_ns > last->told_ns;
    }
    MODEL_CHECK(bench, within <= bench->limit);
}

/* When there is room once more, if the log is full: not a nanosecond before. */
static uint64_t leaves(const struct bench *bench)
{
    return bench->count < bench->limit
               ? 0
               : bench->calls[bench->count - bench->limit].noted_ns + bench->period_ns;
}

static void take(struct bench *bench, bool keep)
{
    size_t slot = test_below(&bench->random, KEPT);
    struct resil_reservation reservation = {0};
    uint64_t before = used(bench);
    uint64_t at_ns = 0;
    int rc = keep ? resil_log_reserve(&bench->room.log, bench->now_ns, &reservation)
                  : resil_log_acquire(&bench->room.log, bench->now_ns, &at_ns);

    at_ns = keep ? reservation.at_ns : at_ns;
    MODEL_CHECK(bench, rc == (before < bench->limit ? RESIL_OK : RESIL_ELIMITED));
    if (rc != RESIL_OK) {
        MODEL_CHECK(bench, at_ns == leaves(bench));
        return;
    }
    bench->calls[bench->count].told_ns = bench->now_ns;
    bench->calls[bench->count].noted_ns = bench->now_ns;
    if (bench->count > 0 && bench->calls[bench->count - 1].noted_ns > bench->now_ns)
        bench->calls[bench->count].noted_ns = bench->calls[bench->count - 1].noted_ns;
    bench->serials[bench->count++] = ++bench->serial;
    check_the_promise(bench);
    if (keep) {
        bench->kept[slot].reservation = reservation;
        bench->kept[slot].number = bench->count - 1;
        bench->kept[slot].serial = bench->serial;
    }
}

static void cancel(struct bench *bench)
{
    size_t slot = test_below(&bench->random, KEPT);
    size_t number = bench->kept[slot].number;
    bool is_spent = bench->kept[slot].reservation.back_ == 0;
    int rc;
    bool is_last;

    is_last = number + 1 == bench->count && bench->serials[number] == bench->kept[slot].serial &&
              bench->calls[number].noted_ns + bench->period_ns > bench->now_ns;
    rc = resil_log_cancel(&bench->room.log, &bench->kept[slot].reservation, bench->now_ns);
    if (is_spent) {
        MODEL_CHECK(bench, rc == RESIL_EINVAL);
        return;
    }
    MODEL_CHECK(bench, rc == (is_last ? RESIL_OK : RESIL_ELATE));
    if (is_last)
        bench->count--;
}

static void step(struct bench *bench)
{
    uint64_t real_ns = bench->now_ns;
    struct resil_log_snapshot snapshot;

    if (test_below(&bench->random, 2) == 0)
        real_ns += test_below(&bench->random, bench->period_ns / bench->limit * 3);
    if (test_below(&bench->random, 16) == 0 && leaves(bench) > real_ns)
        real_ns = leaves(bench) - test_below(&bench->random, 2);
    bench->now_ns = real_ns;
    if (test_below(&bench->random, 16) == 0)
        bench->now_ns -= test_below(&bench->random, bench->period_ns * 2);
    switch (test_below(&bench->random, 8)) {
    case 0:
        cancel(bench);
        break;
    case 1:
    case 2:
        take(bench, true);
        break;
    default:
        take(bench, false);
    }
    resil_log_snapshot(&bench->room.log, bench->now_ns, &snapshot);
    MODEL_CHECK(bench, snapshot.used == (used(bench) < bench->limit ? used(bench) : bench->limit));
    bench->now_ns = real_ns;
}

static struct bench shared;
static uint64_t rounds;

static void begin(void)
{
    const uint64_t random = shared.random;

    /* No assignment: without optimisation its right side would be megabytes of stack. */
    memset(&shared, 0, sizeof shared);
    shared.random = random;
    shared.now_ns = RESIL_SEC(1000);
    shared.limit = rounds == 0 ? 1 : 1 + test_below(&shared.random, LIMIT_MAX);
    shared.period_ns = RESIL_MS(1) << test_below(&shared.random, 10);
    assert_int_equal(resil_log_init(&shared.room.log, sizeof shared.room,
                                    &(struct resil_log_config){.limit = shared.limit,
                                                               .period_ns = shared.period_ns}),
                     RESIL_OK);
}

static void step_shared(void)
{
    step(&shared);
}

static void log_agrees_with_a_list(void **state)
{
    const struct model_subject model = {begin, step_shared, &shared.random};

    (void)state;
    for (rounds = 0; rounds < 20; rounds++)
        model_run(&model, test_seed(20240609 + rounds), OPERATIONS / 20);
}

static void a_longer_period_is_found(void **state)
{
    const struct model_subject model = {begin, step_shared, &shared.random};

    (void)state;
    rounds = 1;
    too_long_ns = RESIL_US(1);
    model_finds(&model, 20240609, OPERATIONS / 20, 40, "a period 1 us longer");
    too_long_ns = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_longer_period_is_found),
        cmocka_unit_test(log_agrees_with_a_list),
    };

    return cmocka_run_group_tests_name("log model", tests, NULL, NULL);
}
