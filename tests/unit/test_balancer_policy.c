/* SPDX-License-Identifier: BSD-2-Clause */

/* The balancer in a chain that is run from blocking code: where attempts go, and what their
   endpoints are told. */
#include "balancer_chain.h"

typedef const struct resil_picker *picker_fn(void);

static picker_fn *const spreading[] = {
    resil_picker_round_robin,    resil_picker_smooth_weighted,
    resil_picker_random,         resil_picker_weighted_random,
    resil_picker_least_requests, resil_picker_weighted_least_requests,
    resil_picker_peak_ewma,      resil_picker_prequal,
};

static picker_fn *const keyed[] = {
    resil_picker_ring_hash,
    resil_picker_maglev,
    resil_picker_rendezvous,
    resil_picker_bounded_load,
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* A balancer inside of a retry of up to eight attempts. */
static struct chain_rig *retrying(const struct resil_picker *picker, size_t hosts, bool rehash)
{
    static struct resil_retry retry;
    struct chain_rig *rig = chain_new();

    assert_int_equal(resil_retry_init(&retry, &(struct resil_retry_config){.attempts = 8}),
                     RESIL_OK);
    rig->policies[0] = resil_retry_policy(&retry);
    rig->hosts->config.picker = picker;
    rig->hosts->config.rehash_on_retry = rehash;
    chain_start(rig, hosts, 1, 2);
    return rig;
}

static void fail_first(struct chain_rig *rig, unsigned failures)
{
    for (unsigned i = 0; i < CHAIN_CALLS; i++)
        rig->outcomes[i] = i < failures ? RESIL_NOT_SENT : RESIL_SUCCESS;
}

static void a_retry_goes_to_another_endpoint(void **state)
{
    (void)state;
    for (size_t p = 0; p < COUNT(spreading) + COUNT(keyed); p++) {
        picker_fn *picker = p < COUNT(spreading) ? spreading[p] : keyed[p - COUNT(spreading)];
        struct chain_rig *rig = retrying(picker(), 3, false);

        fail_first(rig, 2);
        for (unsigned call = 0; call < 50; call++) {
            assert_int_equal(chain_run(rig), RESIL_OK);
            assert_int_equal(rig->calls, 3);
            assert_ptr_not_equal(rig->went[0], rig->went[1]);
            assert_ptr_not_equal(rig->went[0], rig->went[2]);
            assert_ptr_not_equal(rig->went[1], rig->went[2]);
            assert_false(rig->reused[0] || rig->reused[1] || rig->reused[2]);
        }
        chain_told(rig, 150, 100);
        chain_end(rig);
    }
}

static void a_lonely_endpoint_is_used_again(void **state)
{
    struct chain_rig *rig = retrying(NULL, 1, false);

    (void)state;
    fail_first(rig, 2);
    assert_int_equal(chain_run(rig), RESIL_OK);
    assert_int_equal(rig->calls, 3);
    assert_false(rig->reused[0]);
    assert_true(rig->reused[1] && rig->reused[2]);
    chain_told(rig, 3, 2);
    chain_end(rig);
}

/* Of four endpoints the last three are excluded, so that the fourth is the only choice. */
static void the_last_three_are_remembered_and_no_more(void **state)
{
    struct chain_rig *rig = retrying(resil_picker_random(), 4, false);

    (void)state;
    fail_first(rig, 7);
    for (unsigned call = 0; call < 50; call++) {
        assert_int_equal(chain_run(rig), RESIL_OK);
        assert_int_equal(rig->calls, 8);
        for (unsigned i = 0; i < 4; i++) {
            assert_ptr_equal(rig->went[i], rig->went[i + 4]);
            assert_false(rig->reused[i + 4]);
        }
    }
    chain_end(rig);
}

static void with_a_key_a_retry_keeps_its_endpoint(void **state)
{
    (void)state;
    for (size_t p = 0; p < COUNT(keyed); p++) {
        struct chain_rig *rig = retrying(keyed[p](), 5, false);

        fail_first(rig, 2);
        for (uint64_t key = 1; key <= 50; key++) {
            rig->request.key = resil_hash64(&key, sizeof key, 0);
            assert_int_equal(chain_run(rig), RESIL_OK);
            assert_ptr_equal(rig->went[0], rig->went[1]);
            assert_ptr_equal(rig->went[0], rig->went[2]);
        }
        chain_end(rig);
    }
}

static void with_rehash_on_retry_it_moves_on(void **state)
{
    (void)state;
    for (size_t p = 0; p < COUNT(keyed); p++) {
        struct chain_rig *rig = retrying(keyed[p](), 5, true);
        struct chain_rig *same = retrying(keyed[p](), 5, false);

        fail_first(rig, 2);
        for (uint64_t key = 1; key <= 50; key++) {
            rig->request.key = same->request.key = resil_hash64(&key, sizeof key, 0);
            assert_int_equal(chain_run(rig), RESIL_OK);
            assert_int_equal(chain_run(same), RESIL_OK);
            assert_string_equal(rig->went[0]->address, same->went[0]->address);
            assert_ptr_not_equal(rig->went[0], rig->went[1]);
            assert_ptr_not_equal(rig->went[0], rig->went[2]);
            assert_ptr_not_equal(rig->went[1], rig->went[2]);
        }
        chain_end(rig);
        chain_end(same);
    }
}

static void every_outcome_is_told_once(void **state)
{
    static const struct {
        enum resil_outcome outcome;
        uint64_t reports;
        uint64_t failures;
    } rows[] = {
        {RESIL_SUCCESS, 1, 0},  {RESIL_FAILURE, 1, 1}, {RESIL_NOT_SENT, 1, 1},
        {RESIL_OVERLOAD, 0, 0}, {RESIL_TIMEOUT, 1, 1}, {RESIL_PERMANENT, 1, 1},
        {RESIL_CALLER, 1, 0},   {RESIL_LOCAL, 0, 0},   {RESIL_CANCELLED, 0, 0},
        {RESIL_REFUSED, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct chain_rig *rig = chain_new();

        rig->outcomes[0] = rows[i].outcome;
        chain_start(rig, 2, 0, 1);
        (void)chain_run(rig);
        assert_int_equal(rig->calls, 1);
        chain_told(rig, rows[i].reports, rows[i].failures);
        chain_end(rig);
    }
}

static void a_refusal_further_in_says_nothing_of_the_endpoint(void **state)
{
    static struct resil_limiter limiter;
    struct chain_rig *rig = chain_new();

    (void)state;
    assert_int_equal(
        resil_limiter_init(&limiter, &(struct resil_limiter_config){.tokens = 1, .burst = 1}),
        RESIL_OK);
    rig->policies[1] = resil_limiter_policy(&limiter);
    chain_start(rig, 2, 0, 2);
    assert_int_equal(chain_run(rig), RESIL_OK);
    assert_int_equal(chain_run(rig), RESIL_ELIMITED);
    assert_int_equal(rig->calls, 0);
    chain_told(rig, 1, 0);
    chain_end(rig);
}

static void an_answer_after_the_deadline_is_bad(void **state)
{
    static struct resil_timeout timeout;
    struct chain_rig *rig = chain_new();

    (void)state;
    assert_int_equal(
        resil_timeout_init(&timeout, &(struct resil_timeout_config){.timeout_ns = RESIL_MS(10)}),
        RESIL_OK);
    rig->policies[1] = resil_timeout_policy(&timeout);
    rig->hosts->config.picker = resil_picker_peak_ewma();
    rig->takes_ns = RESIL_MS(20);
    chain_start(rig, 1, 0, 2);
    assert_int_equal(chain_run(rig), RESIL_EFAILED);
    assert_int_equal(rig->report.outcome, RESIL_TIMEOUT);
    assert_true(rig->report.late_success);
    chain_told(rig, 1, 1);
    assert_true(fixture_endpoint(rig->hosts, 0).latency_ns >= RESIL_MS(20));
    chain_end(rig);
}

/* Not that of the call: the first attempt and the pause after it are somebody else's. */
static void the_latency_is_that_of_the_attempt(void **state)
{
    static struct resil_retry retry;
    struct chain_rig *rig = chain_new();
    uint64_t latency_ns;

    (void)state;
    assert_int_equal(
        resil_retry_init(&retry,
                         &(struct resil_retry_config){
                             .backoff = {.base_ns = RESIL_SEC(1), .jitter = RESIL_JITTER_NONE}}),
        RESIL_OK);
    rig->policies[0] = resil_retry_policy(&retry);
    rig->hosts->config.picker = resil_picker_peak_ewma();
    rig->takes_ns = RESIL_MS(40);
    rig->outcomes[0] = RESIL_NOT_SENT;
    chain_start(rig, 2, 1, 2);
    assert_int_equal(chain_run(rig), RESIL_OK);
    assert_true(rig->report.elapsed_ns > RESIL_SEC(1));
    latency_ns =
        fixture_endpoint(rig->hosts, (size_t)(rig->went[1] - rig->hosts->endpoints)).latency_ns;
    assert_true(latency_ns > RESIL_MS(39) && latency_ns <= RESIL_MS(40));
    chain_end(rig);
}

/* What the user pays on a success. */
static void the_clock_is_read_no_more_than_needed(void **state)
{
    (void)state;
    for (unsigned row = 0; row < 5; row++) {
        struct chain_rig *rig = chain_new();
        unsigned reads = row == 0 ? 1 : 2;

        if (row == 1)
            rig->hosts->config.picker = resil_picker_peak_ewma();
        if (row == 2)
            rig->hosts->config.outlier.latency_pct = 300;
        if (row == 3)
            rig->hosts->config.canary = (struct resil_canary_config){.version = "v2"};
        if (row == 4)
            rig->outcomes[0] = RESIL_FAILURE;
        chain_start(rig, 3, 0, 1);
        (void)chain_run(rig);
        assert_int_equal(rig->env.now_calls, reads);
        rig->request.now_ns = rig->env.now_ns;
        (void)chain_run(rig);
        assert_int_equal(rig->env.now_calls, 2 * reads - 1);
        chain_end(rig);
    }
}

static void init_refuses_a_balancer_that_is_none(void **state)
{
    static struct resil_balancer zero;
    struct resil_policy policy = resil_balancer_policy(&zero);
    struct chain_rig *rig = chain_new();
    char why[120] = "";

    (void)state;
    assert_int_equal(resil_chain_init(&rig->chain, &policy, 1, why, sizeof why), RESIL_EINVAL);
    assert_non_null(strstr(why, "balancer"));
    policy = resil_balancer_policy(NULL);
    assert_int_equal(resil_chain_init(&rig->chain, &policy, 1, NULL, 0), RESIL_EINVAL);
    chain_start(rig, 1, 0, 1);
    policy = resil_balancer_policy(&rig->hosts->lb);
    assert_string_equal(policy.ops->name, "balancer");
    assert_int_equal(policy.ops->frame_words, 8);
    assert_int_equal(resil_balancer_fini(&rig->hosts->lb), RESIL_OK);
    assert_int_equal(resil_chain_init(&rig->chain, &policy, 1, NULL, 0), RESIL_EINVAL);
    free(rig->hosts);
    free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_retry_goes_to_another_endpoint),
        cmocka_unit_test(a_lonely_endpoint_is_used_again),
        cmocka_unit_test(the_last_three_are_remembered_and_no_more),
        cmocka_unit_test(with_a_key_a_retry_keeps_its_endpoint),
        cmocka_unit_test(with_rehash_on_retry_it_moves_on),
        cmocka_unit_test(every_outcome_is_told_once),
        cmocka_unit_test(a_refusal_further_in_says_nothing_of_the_endpoint),
        cmocka_unit_test(an_answer_after_the_deadline_is_bad),
        cmocka_unit_test(the_latency_is_that_of_the_attempt),
        cmocka_unit_test(the_clock_is_read_no_more_than_needed),
        cmocka_unit_test(init_refuses_a_balancer_that_is_none),
    };

    return cmocka_run_group_tests_name("balancer policy", tests, NULL, NULL);
}
