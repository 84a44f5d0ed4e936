/* SPDX-License-Identifier: BSD-2-Clause */

/* Probes by hand: which are due, what holds them, and what their answers change. */
#include "balancer_fixture.h"

static struct fixture *start(size_t n)
{
    struct fixture *fixture = fixture_new();

    fixture->config.picker = resil_picker_prequal();
    fixture_start(fixture, n);
    return fixture;
}

static struct resil_probe due(struct fixture *fixture)
{
    struct resil_probe probe;

    assert_true(resil_balancer_probe(&fixture->lb, &probe));
    return probe;
}

static void answer(struct fixture *fixture, struct resil_probe *probe, uint64_t in_flight,
                   uint64_t latency_ns)
{
    assert_int_equal(
        resil_balancer_probed(&fixture->lb, probe, true, in_flight, latency_ns, fixture->now_ns),
        RESIL_OK);
}

static void one_is_due_for_each_pick(void **state)
{
    struct fixture *fixture = start(3);
    struct resil_probe probe;

    (void)state;
    assert_false(resil_balancer_probe(&fixture->lb, &probe));
    for (int i = 0; i < 5; i++)
        (void)fixture_call(fixture, NULL, RESIL_SUCCESS);
    for (int i = 0; i < 5; i++) {
        probe = due(fixture);
        answer(fixture, &probe, 0, RESIL_MS(1));
    }
    assert_false(resil_balancer_probe(&fixture->lb, &probe));
    fixture_end(fixture);
}

static void a_probe_names_its_endpoint_and_counts_as_a_call(void **state)
{
    struct fixture *fixture = start(2);
    struct resil_probe probe;
    const struct resil_endpoint *endpoint;
    struct resil_endpoint_snapshot snapshot;

    (void)state;
    (void)fixture_call(fixture, NULL, RESIL_SUCCESS);
    probe = due(fixture);
    endpoint = probe.user;
    snapshot = fixture_endpoint(fixture, (size_t)(endpoint - fixture->endpoints));
    assert_string_equal(probe.address, endpoint->address);
    assert_int_equal(probe.id, snapshot.id);
    assert_int_equal(snapshot.in_flight, 1);
    assert_int_equal(resil_balancer_fini(&fixture->lb), RESIL_EBUSY);

    assert_int_equal(resil_balancer_probed(&fixture->lb, &probe, false, 0, 0, fixture->now_ns),
                     RESIL_OK);
    assert_int_equal(fixture_snapshot(fixture).in_flight, 0);
    assert_int_equal(fixture_snapshot(fixture).endpoints, 2);
    fixture_end(fixture);
}

static void a_probe_is_spent_by_its_answer(void **state)
{
    struct fixture *fixture = start(2);
    struct resil_probe probe;

    (void)state;
    (void)fixture_call(fixture, NULL, RESIL_SUCCESS);
    probe = due(fixture);
    answer(fixture, &probe, 0, RESIL_MS(1));
    assert_int_equal(resil_balancer_probed(&fixture->lb, &probe, true, 0, 0, fixture->now_ns),
                     RESIL_EINVAL);
    assert_int_equal(fixture_snapshot(fixture).in_flight, 0);
    fixture_end(fixture);
}

static void answers_lead_to_the_fastest(void **state)
{
    (void)state;
    for (size_t best = 0; best < 4; best++) {
        struct fixture *fixture = fixture_new();
        size_t went = 0;

        fixture->config.picker = resil_picker_prequal();
        fixture->config.options.hot_pct = 100; /* nobody is hot: latency alone */
        fixture_start(fixture, 4);
        for (int i = 0; i < 400; i++) {
            struct resil_probe probe;
            bool fast;

            went += fixture_call(fixture, NULL, RESIL_SUCCESS) == best;
            probe = due(fixture);
            fast = probe.user == &fixture->endpoints[best];
            answer(fixture, &probe, 1, fast ? RESIL_MS(1) : RESIL_MS(50));
        }
        assert_true(went > 200); /* by chance it would be 100 */
        fixture_end(fixture);
    }
}

/* What came back as "no answer" is as if it had never been asked. */
static void no_answer_says_nothing(void **state)
{
    struct fixture *fixture = start(4);
    size_t went[4] = {0};

    (void)state;
    for (int i = 0; i < 400; i++) {
        struct resil_probe probe;

        went[fixture_call(fixture, NULL, RESIL_SUCCESS)]++;
        probe = due(fixture);
        assert_int_equal(resil_balancer_probed(&fixture->lb, &probe, false, 0, 1, fixture->now_ns),
                         RESIL_OK);
    }
    for (size_t i = 0; i < 4; i++)
        assert_in_range(went[i], 40, 200);
    fixture_end(fixture);
}

static void an_endpoint_stays_until_its_probe_is_back(void **state)
{
    struct fixture *fixture = start(1);
    struct resil_probe probe;

    (void)state;
    (void)fixture_call(fixture, NULL, RESIL_SUCCESS);
    probe = due(fixture);
    fixture->endpoints[0].address = "elsewhere";
    fixture_update(fixture, 1);
    fixture_wait(fixture, RESIL_SEC(2));
    assert_int_equal(fixture_snapshot(fixture).leaving, 1);
    assert_string_equal(probe.address, "h0");
    assert_int_equal(resil_balancer_fini(&fixture->lb), RESIL_EBUSY);
    assert_int_equal(resil_balancer_probed(&fixture->lb, &probe, false, 0, 0, fixture->now_ns),
                     RESIL_OK);
    fixture_wait(fixture, RESIL_SEC(2));
    assert_int_equal(fixture_snapshot(fixture).leaving, 0);
    fixture_end(fixture);
}

static void none_is_due_without_prequal_or_endpoints(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_probe probe;

    (void)state;
    fixture_init(fixture);
    assert_false(resil_balancer_probe(&fixture->lb, &probe)); /* no list yet */
    fixture_update(fixture, 2);
    (void)fixture_call(fixture, NULL, RESIL_SUCCESS);
    assert_false(resil_balancer_probe(&fixture->lb, &probe)); /* least requests */
    fixture_end(fixture);

    fixture = start(1);
    (void)fixture_call(fixture, NULL, RESIL_SUCCESS);
    assert_int_equal(
        resil_balancer_admin(&fixture->lb, "h0", RESIL_ADMIN_MAINTENANCE, fixture->now_ns),
        RESIL_OK);
    assert_false(resil_balancer_probe(&fixture->lb, &probe)); /* nobody may be asked */
    fixture_end(fixture);
}

static void null_is_refused(void **state)
{
    struct fixture *fixture = start(1);
    struct resil_probe probe = {.host_ = NULL};

    (void)state;
    assert_false(resil_balancer_probe(NULL, &probe));
    assert_false(resil_balancer_probe(&fixture->lb, NULL));
    assert_int_equal(resil_balancer_probed(NULL, &probe, true, 0, 0, 0), RESIL_EINVAL);
    assert_int_equal(resil_balancer_probed(&fixture->lb, NULL, true, 0, 0, 0), RESIL_EINVAL);
    assert_int_equal(resil_balancer_probed(&fixture->lb, &probe, true, 0, 0, 0), RESIL_EINVAL);
    fixture_end(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_due_for_each_pick),
        cmocka_unit_test(a_probe_names_its_endpoint_and_counts_as_a_call),
        cmocka_unit_test(a_probe_is_spent_by_its_answer),
        cmocka_unit_test(answers_lead_to_the_fastest),
        cmocka_unit_test(no_answer_says_nothing),
        cmocka_unit_test(an_endpoint_stays_until_its_probe_is_back),
        cmocka_unit_test(none_is_due_without_prequal_or_endpoints),
        cmocka_unit_test(null_is_refused),
    };

    return cmocka_run_group_tests_name("balancer probe", tests, NULL, NULL);
}
