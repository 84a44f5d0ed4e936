/* SPDX-License-Identifier: BSD-2-Clause */
#include "limiter_fixture.h"
#include "told_stripe.h"

#include "../../src/limiter/leased_limiter.c"
#include "../../src/limiter/leased_limiter_config.c"
#include "../../src/policy/leased_limiter_policy.c"

/* A token a second. With four stripes a batch is 4 and 16 are kept of 64. */
static struct resil_limiter limiter;
static struct resil_leased_limiter leased;

static void with(uint64_t burst, const struct resil_leased_limiter_config *config)
{
    limiter = make(1, RESIL_SEC(1), burst, 0);
    memset(&leased, 0xa5, sizeof leased);
    assert_int_equal(resil_leased_limiter_init(&leased, &limiter, config), RESIL_OK);
    told_stripe = 0;
}

static void with_four(uint64_t burst)
{
    with(burst, &(struct resil_leased_limiter_config){.stripes = 4});
}

static int take_on(uint32_t stripe, uint64_t cost, uint64_t now_ns)
{
    told_stripe = stripe;
    return resil_leased_limiter_acquire(&leased, cost, now_ns, NULL);
}

static struct resil_leased_limiter_snapshot state_at(uint64_t now_ns)
{
    struct resil_leased_limiter_snapshot snapshot;

    assert_int_equal(resil_leased_limiter_snapshot(&leased, now_ns, &snapshot), RESIL_OK);
    return snapshot;
}

/* How many tokens a caller on one stripe gets. */
static uint64_t all_on(uint32_t stripe, uint64_t now_ns)
{
    uint64_t granted = 0;

    while (take_on(stripe, 1, now_ns) == RESIL_OK)
        granted++;
    return granted;
}

static void config_check_names_the_field(void **state)
{
    static const struct {
        struct resil_leased_limiter_config config;
        const char *field;
    } rows[] = {
        {{.stripes = 17}, "stripes"},
        {{.stripes = RESIL_OFF}, "stripes"},
        {{.batch = 1}, "batch"},
        {{.batch = 65537}, "batch"},
        {{.processes = 1025}, "processes"},
        {{.processes = RESIL_OFF}, "processes"},
    };
    static const struct resil_leased_limiter_config good[] = {{0}, {16, 65536, 1024}, {1, 2, 1}};
    char why[120];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memset(why, 0, sizeof why);
        assert_int_equal(resil_leased_limiter_config_check(&rows[i].config, why, sizeof why),
                         RESIL_EINVAL);
        assert_memory_equal(why, rows[i].field, strlen(rows[i].field));
        assert_int_equal(resil_leased_limiter_init(&leased, &limiter, &rows[i].config),
                         RESIL_EINVAL);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(resil_leased_limiter_config_check(&good[i], NULL, 0), RESIL_OK);
    assert_int_equal(resil_leased_limiter_config_check(NULL, NULL, 0), RESIL_OK);
}

static void init_refuses_what_it_cant_use(void **state)
{
    struct resil_limiter blank = {0};
    struct resil_leased_limiter_snapshot snapshot;
    struct resil_leased_limiter none = {0};

    (void)state;
    with_four(64);
    assert_int_equal(resil_leased_limiter_init(NULL, &limiter, NULL), RESIL_EINVAL);
    assert_int_equal(resil_leased_limiter_init(&leased, NULL, NULL), RESIL_EINVAL);
    assert_int_equal(resil_leased_limiter_init(&leased, &blank, NULL), RESIL_EINVAL);
    assert_int_equal(resil_leased_limiter_init_sized(&leased, sizeof leased - 1, &limiter, NULL,
                                                     sizeof(struct resil_leased_limiter_config)),
                     RESIL_EABI);
    assert_int_equal(resil_leased_limiter_init_sized(&leased, sizeof leased, &limiter, NULL, 8),
                     RESIL_EABI);
    assert_int_equal(resil_leased_limiter_snapshot(NULL, T0, &snapshot), RESIL_EINVAL);
    assert_int_equal(resil_leased_limiter_snapshot(&leased, T0, NULL), RESIL_EINVAL);
    assert_int_equal(resil_leased_limiter_snapshot(&none, T0, &snapshot), RESIL_EINVAL);
}

static void a_batch_is_a_share_of_the_burst(void **state)
{
    static const struct {
        struct resil_leased_limiter_config config;
        uint64_t burst, batch, kept;
    } rows[] = {
        {{0}, 127, 0, 0},
        {{0}, 128, 2, 32},
        {{0}, 1000, 15, 240},
        {{0}, 1000000, 64, 1024},
        {{.batch = 5}, 1000000, 5, 80},
        {{.stripes = 1}, 7, 0, 0},
        {{.stripes = 1}, 8, 2, 2},
        {{.stripes = 3}, 64, 4, 16}, /* rounded up to 4 */
        {{.stripes = 4}, 31, 0, 0},
        {{.stripes = 4, .processes = 2}, 64, 2, 16},
        {{.stripes = 4, .processes = 3}, 64, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        with(rows[i].burst, &rows[i].config);
        assert_int_equal(state_at(T0).batch, rows[i].batch);
        assert_int_equal(state_at(T0).kept, rows[i].kept);
    }
}

static void a_small_limit_is_not_leased(void **state)
{
    (void)state;
    with_four(31);
    assert_int_equal(take_on(0, 1, T0), RESIL_OK);
    assert_int_equal(state_at(T0).leased, 0);
    assert_int_equal(look(&limiter, T0).available, 30);
    assert_int_equal(take_on(1, 30, T0), RESIL_OK); /* all of it: nothing is kept */
    assert_int_equal(take_on(2, 1, T0), RESIL_ELIMITED);
    assert_int_equal(take_on(2, 32, T0), RESIL_ECOST);
}

static void a_stripe_takes_a_batch_and_hands_it_out(void **state)
{
    (void)state;
    with_four(64);
    assert_int_equal(take_on(2, 1, T0), RESIL_OK);
    assert_int_equal(look(&limiter, T0).available, 59);
    assert_int_equal(state_at(T0).leased, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(take_on(2, 1, T0), RESIL_OK);
    assert_int_equal(look(&limiter, T0).available, 59);
    assert_int_equal(take_on(2, 0, T0), RESIL_OK); /* 0 = 1 */
    assert_int_equal(look(&limiter, T0).available, 54);
}

static void leases_leave_what_the_stripes_can_hold(void **state)
{
    (void)state;
    with_four(64);
    assert_int_equal(all_on(1, T0), 48);
    assert_int_equal(look(&limiter, T0).available, 16);
    assert_int_equal(state_at(T0).available, 0);
}

static void who_runs_dry_takes_back_from_the_others(void **state)
{
    uint64_t granted = 4;

    (void)state;
    with_four(64);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(take_on(i, 1, T0), RESIL_OK);
    assert_int_equal(state_at(T0).leased, 16);
    granted += all_on(3, T0);
    assert_int_equal(granted, 48);
    assert_int_equal(state_at(T0).leased, 0);
}

static void a_refusal_says_when_to_come_back(void **state)
{
    uint64_t retry_at_ns = 7;

    (void)state;
    with_four(64);
    (void)all_on(0, T0);
    assert_int_equal(resil_leased_limiter_acquire(&leased, 1, T0, &retry_at_ns), RESIL_ELIMITED);
    assert_int_equal(retry_at_ns, T0 + RESIL_SEC(1));
    assert_int_equal(resil_leased_limiter_acquire(&leased, 3, T0, &retry_at_ns), RESIL_ELIMITED);
    assert_int_equal(retry_at_ns, T0 + RESIL_SEC(3));
    assert_int_equal(take_on(0, 3, retry_at_ns - 1), RESIL_ELIMITED);
    assert_int_equal(take_on(0, 3, retry_at_ns), RESIL_OK);
    retry_at_ns = 7;
    assert_int_equal(resil_leased_limiter_acquire(&leased, 49, T0, &retry_at_ns), RESIL_ECOST);
    assert_int_equal(retry_at_ns, 7);
}

/* One in each of two stripes, two in the bucket above what is kept. */
static void a_cost_is_collected_from_everywhere(void **state)
{
    uint64_t retry_at_ns;

    (void)state;
    with_four(64);
    assert_int_equal(take_on(0, 4, T0), RESIL_OK);
    assert_int_equal(take_on(0, 3, T0), RESIL_OK);
    assert_int_equal(take_on(1, 4, T0), RESIL_OK);
    assert_int_equal(take_on(1, 3, T0), RESIL_OK);
    assert_int_equal(take_on(2, 30, T0), RESIL_OK);
    assert_int_equal(state_at(T0).leased, 2);
    assert_int_equal(state_at(T0).available, 4);
    assert_int_equal(take_on(2, 4, T0), RESIL_OK);
    assert_int_equal(state_at(T0).available, 0);

    assert_int_equal(take_on(1, 2, T0 + RESIL_SEC(2)), RESIL_OK);
    assert_int_equal(take_on(0, 1, T0 + RESIL_SEC(5)), RESIL_OK); /* leases none: 2 are too few */
    assert_int_equal(state_at(T0 + RESIL_SEC(5)).available, 2);
    told_stripe = 3;
    assert_int_equal(resil_leased_limiter_acquire(&leased, 4, T0 + RESIL_SEC(5), &retry_at_ns),
                     RESIL_ELIMITED);
    assert_int_equal(retry_at_ns, T0 + RESIL_SEC(7));
    assert_int_equal(state_at(T0 + RESIL_SEC(5)).available, 2); /* a refusal takes nothing */
}

static void a_refusal_keeps_what_it_collected(void **state)
{
    uint64_t retry_at_ns;

    (void)state;
    with_four(64);
    assert_int_equal(take_on(0, 1, T0), RESIL_OK);
    assert_int_equal(take_on(0, 2, T0), RESIL_OK);
    assert_int_equal(take_on(1, 43, T0), RESIL_OK);
    assert_int_equal(state_at(T0).available, 2);
    told_stripe = 3;
    assert_int_equal(resil_leased_limiter_acquire(&leased, 3, T0, &retry_at_ns), RESIL_ELIMITED);
    assert_int_equal(retry_at_ns, T0 + RESIL_SEC(1));
    assert_int_equal(state_at(T0).leased, 2);
    assert_int_equal(take_on(3, 2, T0), RESIL_OK);
}

static void a_cost_above_a_batch_is_asked_of_the_limiter(void **state)
{
    (void)state;
    with_four(64);
    assert_int_equal(take_on(0, 48, T0), RESIL_OK);
    assert_int_equal(state_at(T0).leased, 0);
    assert_int_equal(take_on(0, 5, T0), RESIL_ELIMITED);
    with_four(64);
    assert_int_equal(take_on(0, 49, T0), RESIL_ECOST);
    assert_int_equal(look(&limiter, T0).available, 64);
}

static void tokens_in_a_stripe_do_not_grow_old(void **state)
{
    (void)state;
    with_four(64);
    assert_int_equal(take_on(0, 1, T0), RESIL_OK);
    assert_int_equal(take_on(0, 4, T0 + RESIL_SEC(86400 * 365)), RESIL_OK);
    assert_int_equal(look(&limiter, T0 + RESIL_SEC(86400 * 365)).available, 64);
}

/* Stripes full, bucket full: the most that can ever be used at once. */
static void full_stripes_and_a_full_bucket_give_the_burst(void **state)
{
    uint64_t later = T0 + RESIL_SEC(1000);
    uint64_t granted = 0;

    (void)state;
    with_four(64);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(take_on(i, 1, T0), RESIL_OK);
    for (uint32_t i = 0; i < 4; i++)
        granted += all_on(i, later);
    assert_int_equal(granted, 64);
}

static void processes_share_what_is_kept(void **state)
{
    struct resil_leased_limiter other;
    uint64_t later = T0 + RESIL_SEC(1000);
    uint64_t granted = 0;

    (void)state;
    with(64, &(struct resil_leased_limiter_config){.stripes = 4, .processes = 2});
    assert_int_equal(
        resil_leased_limiter_init(
            &other, &limiter, &(struct resil_leased_limiter_config){.stripes = 4, .processes = 2}),
        RESIL_OK);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(take_on(i, 1, T0), RESIL_OK);
        assert_int_equal(resil_leased_limiter_acquire(&other, 1, T0, NULL), RESIL_OK);
    }
    granted += all_on(0, later);
    while (resil_leased_limiter_acquire(&other, 1, later, NULL) == RESIL_OK)
        granted++;
    assert_int_equal(granted, 64);
}

static void a_drain_empties_the_stripes_too(void **state)
{
    (void)state;
    with_four(64);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(take_on(i, 1, T0), RESIL_OK);
    resil_leased_limiter_drain(&leased, RESIL_SEC(20), T0);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(take_on(i, 1, T0 + RESIL_SEC(20)), RESIL_ELIMITED);
    assert_int_equal(state_at(T0).leased, 0);
    /* 16 come first for the bucket, then one for the call. */
    assert_int_equal(take_on(0, 1, T0 + RESIL_SEC(36) - 1), RESIL_ELIMITED);
    assert_int_equal(take_on(0, 1, T0 + RESIL_SEC(36)), RESIL_OK);
}

static void change_burst(uint64_t burst)
{
    assert_int_equal(resil_limiter_reconfigure(
                         &limiter, &(struct resil_limiter_config){.tokens = 1, .burst = burst}, T0),
                     RESIL_OK);
}

static void leases_follow_a_change_of_the_limiter(void **state)
{
    (void)state;
    with_four(64);
    assert_int_equal(take_on(0, 1, T0), RESIL_OK);
    change_burst(8);
    assert_int_equal(state_at(T0).batch, 0);
    assert_int_equal(state_at(T0).leased, 4);
    assert_int_equal(all_on(1, T0), 8 + 4); /* once on top of the new burst */
    assert_int_equal(take_on(1, 1, T0 + RESIL_SEC(1)), RESIL_OK);
    assert_int_equal(state_at(T0).leased, 0);
    change_burst(640);
    assert_int_equal(state_at(T0).batch, 40);
    assert_int_equal(state_at(T0).kept, 160);
    assert_int_equal(take_on(1, 1, T0 + RESIL_SEC(600)), RESIL_OK);
    assert_int_equal(state_at(T0).leased, 40);
}

/* A filler that stands still between its mark and its tokens. */
static void a_marked_stripe_asks_the_limiter_directly(void **state)
{
    (void)state;
    with_four(64);
    assert_int_equal(take_on(1, 1, T0), RESIL_OK);
    leased.stripe_[0].word_ = RESIL__LEASE_FILLING;
    assert_int_equal(take_on(0, 1, T0), RESIL_OK);
    assert_int_equal(look(&limiter, T0).available, 58);
    assert_int_equal(leased.stripe_[0].word_, RESIL__LEASE_FILLING);
    assert_int_equal(all_on(0, T0), 42 + 4); /* with those that lay in the other stripe */
    resil__leased_limiter_put_back(&leased, 1);
    assert_int_equal(leased.stripe_[0].word_, RESIL__LEASE_FILLING);
    resil_leased_limiter_drain(&leased, 0, T0);
    assert_int_equal(leased.stripe_[0].word_, RESIL__LEASE_NEXT); /* a drain takes the mark off */
}

static void a_generation_that_wraps_is_another_one(void **state)
{
    (void)state;
    with_four(64);
    for (uint32_t i = 0; i < 4; i++)
        leased.stripe_[i].word_ = ~(RESIL__LEASE_NEXT - 1) | 3;
    assert_int_equal(take_on(0, 1, T0), RESIL_OK);
    resil_leased_limiter_drain(&leased, 0, T0);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(leased.stripe_[i].word_, 0);
}

static void tokens_do_not_move_between_generations(void **state)
{
    (void)state;
    with_four(64);
    assert_int_equal(take_on(1, 1, T0), RESIL_OK); /* 4 in stripe 1 */
    assert_int_equal(take_on(0, 43, T0), RESIL_OK);
    assert_int_equal(look(&limiter, T0).available, 16);
    leased.stripe_[0].word_ = RESIL__LEASE_NEXT; /* a drain has just been here */
    assert_int_equal(take_on(0, 1, T0), RESIL_OK);
    assert_int_equal(leased.stripe_[0].word_, RESIL__LEASE_NEXT);
    assert_int_equal(leased.stripe_[1].word_, 3);
}

struct rig {
    struct resil_request request;
    struct resil_walk walk;
    uint64_t frame[2];
};

static int admit(struct rig *rig, uint64_t cost)
{
    struct resil_policy policy = resil_leased_limiter_policy(&leased);

    *rig = (struct rig){.request = {.cost = cost}};
    memset(rig->frame, 0xa5, sizeof rig->frame);
    rig->walk.request = &rig->request;
    rig->walk.now_ns = T0;
    rig->walk.attempt.number = 1;
    return policy.ops->admit(policy.self, rig->frame, &rig->walk);
}

static void settle(struct rig *rig, enum resil_outcome outcome, uint64_t hint_ns)
{
    struct resil_policy policy = resil_leased_limiter_policy(&leased);

    rig->walk.result = (struct resil_result){.outcome = outcome, .hint_ns = hint_ns};
    assert_int_equal(policy.ops->settle(policy.self, rig->frame, &rig->walk), RESIL_PASS);
}

static void policy_table_is_well_formed(void **state)
{
    struct resil_policy policy = resil_leased_limiter_policy(&leased);
    struct resil_leased_limiter blank = {0};

    (void)state;
    with_four(64);
    assert_int_equal(policy.ops->size, sizeof(struct resil_policy_ops));
    assert_string_equal(policy.ops->name, "leased-limiter");
    assert_int_equal(policy.ops->flags, RESIL_ON_FAILURE | RESIL_ON_REFUSED);
    assert_int_equal(policy.ops->frame_words, 2);
    assert_int_equal(policy.ops->check(&leased), RESIL_OK);
    assert_int_equal(policy.ops->check(&blank), RESIL_EINVAL);
    assert_int_equal(policy.ops->check(NULL), RESIL_EINVAL);
    assert_int_equal(policy.ops->finest_ns(&leased), RESIL_SEC(64));
}

static void policy_takes_the_cost_of_the_request(void **state)
{
    struct rig rig;

    (void)state;
    with_four(64);
    assert_int_equal(admit(&rig, 0), RESIL_PASS);
    assert_int_equal(state_at(T0).available, 47);
    assert_int_equal(admit(&rig, 3), RESIL_PASS);
    assert_int_equal(state_at(T0).available, 44);
    (void)all_on(0, T0);
    assert_int_equal(admit(&rig, 1), RESIL_ELIMITED);
    assert_int_equal(rig.walk.retry_at_ns, T0 + RESIL_SEC(1));
    assert_int_equal(admit(&rig, 49), RESIL_ECOST);
}

static void policy_gives_back_what_a_refused_call_did_not_use(void **state)
{
    struct resil_policy policy = resil_leased_limiter_policy(&leased);
    struct rig rig;

    (void)state;
    with_four(64);
    for (uint64_t cost = 1; cost <= 20; cost++) { /* from a stripe, and from the limiter */
        uint64_t before = state_at(T0).available;

        assert_int_equal(admit(&rig, cost), RESIL_PASS);
        settle(&rig, RESIL_REFUSED, 0);
        settle(&rig, RESIL_REFUSED, 0); /* once */
        assert_true(state_at(T0).available + (cost <= 4 ? cost : 0) >= before);
        assert_true(state_at(T0).available <= before);
    }
    with_four(64);
    assert_int_equal(take_on(0, 1, T0), RESIL_OK);
    assert_int_equal(admit(&rig, 2), RESIL_PASS);
    rig.walk.result.outcome = RESIL_REFUSED;
    assert_int_equal(policy.ops->abandon(policy.self, rig.frame, &rig.walk), RESIL_PASS);
    assert_int_equal(state_at(T0).available, 47);
    assert_int_equal(admit(&rig, 2), RESIL_PASS);
    rig.walk.attempt.number = 2; /* something ran */
    settle(&rig, RESIL_REFUSED, 0);
    assert_int_equal(state_at(T0).available, 45);
    assert_int_equal(admit(&rig, 1), RESIL_PASS);
    settle(&rig, RESIL_FAILURE, 0);
    assert_int_equal(state_at(T0).available, 44);
}

static void policy_never_overfills_a_stripe(void **state)
{
    struct rig rig[5];

    (void)state;
    with_four(64);
    for (int i = 0; i < 5; i++)
        assert_int_equal(admit(&rig[i], 1), RESIL_PASS);
    assert_int_equal(admit(&rig[0], 1), RESIL_PASS); /* the stripe is full again: 4 */
    for (int i = 0; i < 5; i++)
        settle(&rig[i], RESIL_REFUSED, 0);
    assert_int_equal(state_at(T0).leased, 4);
}

static void policy_drains_on_overload_where_the_limiter_says_so(void **state)
{
    struct rig rig;

    (void)state;
    with_four(64);
    assert_int_equal(admit(&rig, 1), RESIL_PASS);
    settle(&rig, RESIL_OVERLOAD, RESIL_SEC(5));
    assert_int_equal(state_at(T0).leased, 4);
    assert_int_equal(resil_limiter_init(&limiter,
                                        &(struct resil_limiter_config){
                                            .tokens = 1, .burst = 64, .drain_on_overload = true}),
                     RESIL_OK);
    assert_int_equal(admit(&rig, 1), RESIL_PASS);
    settle(&rig, RESIL_OVERLOAD, 0);
    assert_true(state_at(T0).leased > 0);
    settle(&rig, RESIL_OVERLOAD, RESIL_SEC(5));
    assert_int_equal(state_at(T0).available, 0);
    assert_int_equal(take_on(0, 1, T0 + RESIL_SEC(20)), RESIL_ELIMITED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_check_names_the_field),
        cmocka_unit_test(init_refuses_what_it_cant_use),
        cmocka_unit_test(a_batch_is_a_share_of_the_burst),
        cmocka_unit_test(a_small_limit_is_not_leased),
        cmocka_unit_test(a_stripe_takes_a_batch_and_hands_it_out),
        cmocka_unit_test(leases_leave_what_the_stripes_can_hold),
        cmocka_unit_test(who_runs_dry_takes_back_from_the_others),
        cmocka_unit_test(a_refusal_says_when_to_come_back),
        cmocka_unit_test(a_cost_is_collected_from_everywhere),
        cmocka_unit_test(a_refusal_keeps_what_it_collected),
        cmocka_unit_test(a_cost_above_a_batch_is_asked_of_the_limiter),
        cmocka_unit_test(tokens_in_a_stripe_do_not_grow_old),
        cmocka_unit_test(full_stripes_and_a_full_bucket_give_the_burst),
        cmocka_unit_test(processes_share_what_is_kept),
        cmocka_unit_test(a_drain_empties_the_stripes_too),
        cmocka_unit_test(leases_follow_a_change_of_the_limiter),
        cmocka_unit_test(a_marked_stripe_asks_the_limiter_directly),
        cmocka_unit_test(a_generation_that_wraps_is_another_one),
        cmocka_unit_test(tokens_do_not_move_between_generations),
        cmocka_unit_test(policy_table_is_well_formed),
        cmocka_unit_test(policy_takes_the_cost_of_the_request),
        cmocka_unit_test(policy_gives_back_what_a_refused_call_did_not_use),
        cmocka_unit_test(policy_never_overfills_a_stripe),
        cmocka_unit_test(policy_drains_on_overload_where_the_limiter_says_so),
    };

    return cmocka_run_group_tests_name("leased limiter", tests, NULL, NULL);
}
