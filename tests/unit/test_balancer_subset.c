/* SPDX-License-Identifier: BSD-2-Clause */

/* Who a request may come to: subsets by tags, this client's share of the endpoints, canaries. */
#include "balancer_fixture.h"

#include "base/random.h"

static const char *const red[] = {"color=red"};
static const char *const red_big[] = {"size=big", "color=red"};
static const char *const green[] = {"color=green"};
static const struct resil_subset subsets[] = {
    {red, 1, RESIL_SUBSET_FALLBACK_ANY},
    {red_big, 2, RESIL_SUBSET_FALLBACK_NONE},
    {green, 1, RESIL_SUBSET_FALLBACK_NONE},
    {green, 1, RESIL_SUBSET_FALLBACK_ANY},
};

static size_t calls_to(struct fixture *fixture, uint64_t subset, size_t from, size_t to, size_t n)
{
    size_t calls = 0;

    for (size_t i = 0; i < n; i++) {
        size_t host =
            fixture_call(fixture, &(struct resil_pick_request){.subset = subset}, RESIL_SUCCESS);

        calls += host >= from && host < to;
    }
    return calls;
}

static int refusal(struct fixture *fixture, const struct resil_pick_request *request)
{
    struct resil_pick pick;

    return resil_balancer_pick(&fixture->lb, request, fixture->now_ns, &pick);
}

/* 0 to 3 red, 2 and 3 of them big, 4 to 9 without tags; nobody is green. */
static void a_subset_is_who_carries_all_its_tags(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_pick_request request = {.subset = 2};

    (void)state;
    fixture->config.subsets = subsets;
    fixture->config.subset_count = 4;
    for (size_t i = 0; i < 4; i++) {
        fixture->endpoints[i].tags = i < 2 ? red : red_big;
        fixture->endpoints[i].tag_count = i < 2 ? 1 : 2;
    }
    fixture_start(fixture, 10);
    assert_int_equal(calls_to(fixture, 1, 0, 4, 300), 300);
    assert_int_equal(calls_to(fixture, 2, 2, 4, 300), 300);
    assert_int_equal(refusal(fixture, &(struct resil_pick_request){.subset = 3}),
                     RESIL_EUNAVAILABLE);
    assert_in_range(calls_to(fixture, 4, 4, 10, 1000), 500, 700);
    assert_in_range(calls_to(fixture, 0, 4, 10, 1000), 500, 700);
    assert_int_equal(refusal(fixture, &(struct resil_pick_request){.subset = 5}), RESIL_EINVAL);
    assert_int_equal(refusal(fixture, &(struct resil_pick_request){.subset = UINT64_MAX}),
                     RESIL_EINVAL);
    assert_int_equal(refusal(fixture, &(struct resil_pick_request){.subset = UINT64_C(1) << 63}),
                     RESIL_EINVAL);
    /* Nobody in it is well: the rule. */
    fixture->config.priority.panic_pct = RESIL_OFF;
    assert_int_equal(resil_balancer_reconfigure(&fixture->lb, &fixture->config, fixture->now_ns),
                     RESIL_OK);
    for (size_t i = 0; i < 4; i++)
        (void)resil_balancer_health(&fixture->lb, fixture_endpoint(fixture, i).id, false,
                                    fixture->now_ns);
    fixture_wait(fixture, 0);
    assert_int_equal(calls_to(fixture, 1, 4, 10, 300), 300);
    assert_int_equal(refusal(fixture, &request), RESIL_EUNAVAILABLE);
    fixture_end(fixture);
}

/* Ten clients of ten endpoints each: everybody has one client of 100. */
static void clients_share_the_endpoints_out(void **state)
{
    size_t clients[100] = {0};

    (void)state;
    for (uint64_t client = 0; client < 10; client++) {
        struct fixture *fixture = fixture_new();

        fixture->config.client_endpoints = 10;
        fixture->config.client_number = client;
        fixture_start(fixture, 100);
        assert_int_equal(fixture_snapshot(fixture).endpoints, 10);
        assert_int_equal(resil_balancer_reconfigure(&fixture->lb, &fixture->config, 1), RESIL_OK);
        assert_int_equal(fixture_snapshot(fixture).endpoints, 10);
        for (size_t i = 0; i < 10; i++)
            clients[strtoul(fixture_endpoint(fixture, i).address + 1, NULL, 10)]++;
        fixture_end(fixture);
    }
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(clients[i], 1);
}

/* Two of ten run v2. */
static struct fixture *canary(const struct resil_canary_config *config)
{
    struct fixture *fixture = fixture_new();

    fixture->config.canary = *config;
    fixture->config.canary.version = "v2";
    for (size_t i = 0; i < 10; i++)
        fixture->endpoints[i].version = i < 2 ? "v2" : "v1";
    fixture_start(fixture, 10);
    return fixture;
}

static bool goes_to_canary(struct fixture *fixture, struct resil_pick_request *request,
                           enum resil_outcome of_canary)
{
    struct resil_pick pick = fixture_pick(fixture, request);
    bool is = pick.canary;

    assert_int_equal(is, (const struct resil_endpoint *)pick.user < &fixture->endpoints[2]);
    fixture_report(fixture, &pick, is ? of_canary : RESIL_SUCCESS);
    return is;
}

/* n calls with keys of their own. */
static size_t run_canary(struct fixture *fixture, size_t n, enum resil_outcome of_canary)
{
    size_t calls = 0;

    for (size_t i = 0; i < n; i++)
        calls += goes_to_canary(fixture, &(struct resil_pick_request){.key = resil__mix(i + 1) | 1},
                                of_canary);
    return calls;
}

static void a_key_stays_on_its_side_while_the_share_rises(void **state)
{
    struct fixture *fixture = canary(&(struct resil_canary_config){.weight_bp = 2000});
    bool before[500];

    (void)state;
    for (uint64_t key = 1; key < 500; key++)
        before[key] =
            goes_to_canary(fixture, &(struct resil_pick_request){.key = key}, RESIL_SUCCESS);
    assert_in_range(run_canary(fixture, 2000, RESIL_SUCCESS), 300, 500);
    assert_int_equal(resil_balancer_canary(&fixture->lb, 5000, fixture->now_ns), RESIL_OK);
    for (uint64_t key = 1; key < 500; key++) {
        struct resil_pick_request request = {.key = key};
        bool is = goes_to_canary(fixture, &request, RESIL_SUCCESS);

        assert_int_equal(is, goes_to_canary(fixture, &request, RESIL_SUCCESS));
        assert_true(is || !before[key]);
    }
    fixture_end(fixture);
    fixture = canary(&(struct resil_canary_config){.weight_bp = 5000, .by_chance = true});
    for (size_t i = 0, calls = 0; i < 1000; i++) {
        calls += goes_to_canary(fixture, &(struct resil_pick_request){.key = 7}, RESIL_SUCCESS);
        assert_true(i < 999 || (calls > 400 && calls < 600));
    }
    fixture_end(fixture);
}

static void a_good_canary_is_promoted_to_the_end(void **state)
{
    struct fixture *fixture =
        canary(&(struct resil_canary_config){.weight_bp = 1000, .steps_bp = {5000, 10000}});
    static const uint64_t shares[] = {5000, 10000};
    struct resil_balancer_event event;

    (void)state;
    fixture_wait(fixture, RESIL_SEC(10));
    for (size_t step = 0; step < 2; step++) {
        for (int minute = 0; minute < 6; minute++) {
            (void)run_canary(fixture, 2000, RESIL_SUCCESS);
            fixture_wait(fixture, RESIL_SEC(60));
        }
        assert_true(resil_balancer_event(&fixture->lb, &event));
        assert_int_equal(event.kind, RESIL_BALANCER_CANARY);
        assert_int_equal(event.value, shares[step]);
        assert_int_equal(event.reason, step == 0 ? RESIL_CANARY_PROMOTE : RESIL_CANARY_FINISH);
        assert_true(event.numbers.canary_calls >= 100);
        assert_int_equal(fixture_snapshot(fixture).canary_bp, shares[step]);
    }
    assert_int_equal(run_canary(fixture, 500, RESIL_SUCCESS), 500);
    fixture_end(fixture);
}

static void a_bad_canary_is_rolled_back_with_its_numbers(void **state)
{
    struct fixture *fixture = canary(&(struct resil_canary_config){.weight_bp = 2000});
    struct resil_balancer_event event = {.kind = 0};

    (void)state;
    fixture->config.outlier.consecutive = RESIL_OFF;
    fixture->config.outlier.failure_pct = RESIL_OFF;
    fixture->config.outlier.success_rate_factor_pct = RESIL_OFF;
    assert_int_equal(resil_balancer_reconfigure(&fixture->lb, &fixture->config, fixture->now_ns),
                     RESIL_OK);
    fixture_wait(fixture, RESIL_SEC(10));
    assert_true(run_canary(fixture, 2000, RESIL_FAILURE) > 100);
    fixture_wait(fixture, RESIL_SEC(10));
    assert_true(resil_balancer_event(&fixture->lb, &event));
    assert_int_equal(event.kind, RESIL_BALANCER_CANARY);
    assert_int_equal(event.reason, RESIL_CANARY_FAILURES);
    assert_int_equal(event.value, 0);
    assert_int_equal(event.numbers.weight_bp, 2000);
    assert_int_equal(event.numbers.canary_bad, event.numbers.canary_calls);
    assert_int_equal(event.numbers.baseline_bad, 0);
    assert_int_equal(event.numbers.canary_calls + event.numbers.baseline_calls, 2000);
    assert_int_equal(event.numbers.canary_mean_ns, RESIL_MS(1));
    assert_int_equal(run_canary(fixture, 500, RESIL_SUCCESS), 0);
    /* It goes on where it was, which is nowhere; another one begins anew. */
    fixture->config.options.choices = 3;
    assert_int_equal(resil_balancer_reconfigure(&fixture->lb, &fixture->config, fixture->now_ns),
                     RESIL_OK);
    assert_int_equal(fixture_snapshot(fixture).canary_bp, 0);
    fixture->config.canary.version = "v1";
    fixture->config.canary.weight_bp = 1500;
    assert_int_equal(resil_balancer_reconfigure(&fixture->lb, &fixture->config, fixture->now_ns),
                     RESIL_OK);
    assert_int_equal(fixture_snapshot(fixture).canary_bp, 1500);
    /* By hand. */
    assert_int_equal(resil_balancer_canary(&fixture->lb, 0, fixture->now_ns), RESIL_OK);
    assert_int_equal(calls_to(fixture, 0, 0, 2, 300), 300);
    assert_int_equal(resil_balancer_canary(&fixture->lb, 10000, fixture->now_ns), RESIL_OK);
    assert_int_equal(calls_to(fixture, 0, 2, 10, 300), 300);
    assert_int_equal(resil_balancer_canary(&fixture->lb, 10001, fixture->now_ns), RESIL_EINVAL);
    fixture_end(fixture);
}

/* The other version serves when one has nobody left. */
static void versions_stand_in_for_each_other(void **state)
{
    struct fixture *fixture = canary(&(struct resil_canary_config){.weight_bp = 1});
    struct resil_pick_request request = {.excluded_count = 8};
    uint64_t ids[10];

    (void)state;
    for (size_t i = 0; i < 10; i++)
        ids[i] = fixture_endpoint(fixture, i).id;
    request.excluded = ids + 2; /* all of the baseline */
    for (int i = 0; i < 200; i++)
        assert_true(goes_to_canary(fixture, &request, RESIL_SUCCESS));
    request.excluded = ids + 1;
    request.excluded_count = 9;
    for (int i = 0; i < 200; i++)
        assert_int_equal(fixture_call(fixture, &request, RESIL_SUCCESS), 0);
    fixture_end(fixture);
    fixture = fixture_new(); /* no canary */
    fixture_start(fixture, 3);
    assert_int_equal(resil_balancer_canary(&fixture->lb, 1, 1), RESIL_EINVAL);
    fixture_end(fixture);
}

static void a_sticky_request_stays_while_its_endpoint_serves(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_pick_request sticky;

    (void)state;
    fixture_start(fixture, 5);
    sticky = (struct resil_pick_request){.sticky = fixture_endpoint(fixture, 3).id};
    for (int i = 0; i < 100; i++)
        assert_int_equal(fixture_call(fixture, &sticky, RESIL_SUCCESS), 3);
    fixture_eject(fixture, 3);
    for (int i = 0; i < 100; i++)
        assert_int_not_equal(fixture_call(fixture, &sticky, RESIL_SUCCESS), 3);
    fixture_wait(fixture, RESIL_SEC(40));
    assert_int_equal(fixture_call(fixture, &sticky, RESIL_SUCCESS), 3);
    fixture_update(fixture, 3);
    assert_true(fixture_call(fixture, &sticky, RESIL_SUCCESS) < 3);
    fixture_end(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subset_is_who_carries_all_its_tags),
        cmocka_unit_test(clients_share_the_endpoints_out),
        cmocka_unit_test(a_key_stays_on_its_side_while_the_share_rises),
        cmocka_unit_test(a_good_canary_is_promoted_to_the_end),
        cmocka_unit_test(a_bad_canary_is_rolled_back_with_its_numbers),
        cmocka_unit_test(versions_stand_in_for_each_other),
        cmocka_unit_test(a_sticky_request_stays_while_its_endpoint_serves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
