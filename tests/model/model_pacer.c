/* SPDX-License-Identifier: BSD-2-Clause */

/* The pacer against "the next call may start at", in nanoseconds: all paces here are whole ones. */
#include "shrink.h"

#include <resil/pacer.h>

#define OPERATIONS MODEL_OPERATIONS(2000000, 200000)

#define KEPT 8

static const uint64_t intervals_ns[] = {1, 4, 1000, RESIL_MS(1), RESIL_MS(100), RESIL_SEC(20)};

#define INTERVALS (sizeof intervals_ns / sizeof intervals_ns[0])

struct kept {
    struct resil_reservation reservation;
    uint64_t before_ns;
    uint64_t before_version;
    uint64_t version;
};

struct bench {
    struct resil_pacer pacer;
    struct kept kept[KEPT];
    uint64_t interval_ns;
    uint64_t wait_ns;
    uint64_t next_ns;
    uint64_t version; /* of the state: changes whenever the pacer's word does */
    uint64_t versions;
    uint64_t now_ns;
    uint64_t random;
    uint64_t seed;
    uint64_t operation;
};

static uint64_t ahead_ns(const struct bench *bench)
{
    return bench->next_ns > bench->now_ns ? bench->next_ns - bench->now_ns : 0;
}

static uint64_t cost_max(const struct bench *bench)
{
    uint64_t a_minute = RESIL_SEC(60) / bench->interval_ns;

    return a_minute > 0 ? a_minute : 1;
}

/* The control: places that lie further apart. */
static uint64_t too_far_ns;

static void set(struct bench *bench, uint64_t next_ns)
{
    bench->next_ns = next_ns + too_far_ns;
    bench->version = ++bench->versions;
}

static struct resil_pacer_config draw_config(struct bench *bench)
{
    bench->interval_ns = intervals_ns[test_below(&bench->random, INTERVALS)];
    bench->wait_ns = test_below(&bench->random, 8) * bench->interval_ns / 2;
    return (struct resil_pacer_config){
        .tokens = 1,
        .period_ns = bench->interval_ns,
        .wait_ns = bench->wait_ns == 0 ? RESIL_OFF : bench->wait_ns,
    };
}

/* Only at rest, so that no tick is lost in the conversion. */
static void reconfigure(struct bench *bench)
{
    struct resil_pacer_config config;

    if (bench->next_ns >= bench->now_ns)
        return;
    config = draw_config(bench);
    MODEL_CHECK(bench, resil_pacer_reconfigure(&bench->pacer, &config, bench->now_ns) == RESIL_OK);
    /* An idle pacer is idle since a little earlier than now: an older now may still see it so. */
    resil_pacer_rebase(&bench->pacer, bench->now_ns);
    set(bench, bench->now_ns + bench->interval_ns);
}

static void acquire(struct bench *bench, uint64_t cost)
{
    uint64_t at_ns = 0;
    int rc = resil_pacer_acquire(&bench->pacer, cost, bench->now_ns, &at_ns);

    if (cost > cost_max(bench)) {
        MODEL_CHECK(bench, rc == RESIL_ECOST);
        return;
    }
    MODEL_CHECK(bench, rc == (ahead_ns(bench) == 0 ? RESIL_OK : RESIL_ELIMITED));
    if (rc == RESIL_OK)
        set(bench, bench->now_ns + cost * bench->interval_ns);
    else
        MODEL_CHECK(bench, at_ns == bench->next_ns);
}

static void reserve(struct bench *bench, uint64_t cost)
{
    struct kept *kept = &bench->kept[test_below(&bench->random, KEPT)];
    uint64_t ahead = ahead_ns(bench);
    int rc = resil_pacer_reserve(&bench->pacer, cost, bench->now_ns, &kept->reservation);

    if (cost > cost_max(bench)) {
        MODEL_CHECK(bench, rc == RESIL_ECOST);
        return;
    }
    MODEL_CHECK(bench, rc == (ahead <= bench->wait_ns ? RESIL_OK : RESIL_ELIMITED));
    MODEL_CHECK(bench, kept->reservation.at_ns == bench->now_ns + ahead);
    if (rc != RESIL_OK)
        return;
    kept->before_ns = bench->now_ns + ahead;
    kept->before_version = bench->next_ns < bench->now_ns ? ++bench->versions : bench->version;
    set(bench, bench->now_ns + ahead + cost * bench->interval_ns);
    kept->version = bench->version;
}

static void cancel(struct bench *bench)
{
    struct kept *kept = &bench->kept[test_below(&bench->random, KEPT)];
    bool is_spent = kept->reservation.back_ == 0;
    int rc = resil_pacer_cancel(&bench->pacer, &kept->reservation, bench->now_ns);

    if (is_spent) {
        MODEL_CHECK(bench, rc == RESIL_EINVAL);
        return;
    }
    MODEL_CHECK(bench, rc == (kept->version == bench->version ? RESIL_OK : RESIL_ELATE));
    if (rc == RESIL_OK && bench->next_ns >= bench->now_ns) {
        bench->next_ns = kept->before_ns;
        bench->version = kept->before_version;
    }
}

static void step(struct bench *bench)
{
    uint64_t cost = 1 + test_below(&bench->random, 4);
    uint64_t real_ns = bench->now_ns;
    struct resil_pacer_snapshot snapshot;

    if (test_below(&bench->random, 2) == 0)
        real_ns += test_below(&bench->random, bench->interval_ns * 3 + 1);
    bench->now_ns = real_ns;
    if (test_below(&bench->random, 16) == 0)
        bench->now_ns -=
            test_below(&bench->random,
                       bench->interval_ns < RESIL_SEC(1) ? bench->interval_ns * 8 : RESIL_SEC(30));
    switch (test_below(&bench->random, 16)) {
    case 0:
        reconfigure(bench);
        break;
    case 1:
    case 2:
        cancel(bench);
        break;
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
        reserve(bench, cost);
        break;
    default:
        acquire(bench, cost);
    }
    resil_pacer_snapshot(&bench->pacer, bench->now_ns, &snapshot);
    MODEL_CHECK(bench, snapshot.next_at_ns == bench->now_ns + ahead_ns(bench));
    bench->now_ns = real_ns;
}

static struct bench shared;

static void begin(void)
{
    struct resil_pacer_config config;

    shared = (struct bench){.random = shared.random, .now_ns = RESIL_SEC(1000)};
    config = draw_config(&shared);
    assert_int_equal(resil_pacer_init(&shared.pacer, &config), RESIL_OK);
}

static void step_shared(void)
{
    step(&shared);
}

static void pacer_agrees_with_a_queue(void **state)
{
    const struct model_subject model = {begin, step_shared, &shared.random};

    (void)state;
    model_run(&model, test_seed(20240608), OPERATIONS);
}

static void places_further_apart_are_found(void **state)
{
    const struct model_subject model = {begin, step_shared, &shared.random};

    (void)state;
    too_far_ns = 1;
    model_finds(&model, 20240608, OPERATIONS, 40, "places 1 ns further apart");
    too_far_ns = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_further_apart_are_found),
        cmocka_unit_test(pacer_agrees_with_a_queue),
    };

    return cmocka_run_group_tests_name("pacer model", tests, NULL, NULL);
}
