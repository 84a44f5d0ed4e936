/* SPDX-License-Identifier: BSD-2-Clause */

/* Exclusion, every picker through the balancer, and that the counts come out even. */
#include "balancer_fixture.h"

#include "base/random.h"

#define MANY 10000

static const struct resil_picker *pickers[12];
static struct resil_endpoint many[MANY];
static char names[MANY][16];

static int set_up(void **state)
{
    (void)state;
    pickers[0] = resil_picker_round_robin();
    pickers[1] = resil_picker_smooth_weighted();
    pickers[2] = resil_picker_random();
    pickers[3] = resil_picker_weighted_random();
    pickers[4] = resil_picker_least_requests();
    pickers[5] = resil_picker_weighted_least_requests();
    pickers[6] = resil_picker_peak_ewma();
    pickers[7] = resil_picker_prequal();
    pickers[8] = resil_picker_ring_hash();
    pickers[9] = resil_picker_maglev();
    pickers[10] = resil_picker_rendezvous();
    pickers[11] = resil_picker_bounded_load();
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof names[i], "h%zu", i);
        many[i] =
            (struct resil_endpoint){.address = names[i], .weight = 1 + i % 3, .user = &many[i]};
    }
    return 0;
}

static void an_excluded_endpoint_is_the_last_resort(void **state)
{
    (void)state;
    for (size_t p = 0; p < 12; p++) {
        struct fixture *fixture = fixture_new();
        struct resil_pick_request request = {.key = 77};
        struct resil_pick pick;
        uint64_t ids[FIXTURE_HOSTS];

        fixture->config.picker = pickers[p];
        fixture_start(fixture, 5);
        for (size_t i = 0; i < 5; i++)
            ids[i] = fixture_endpoint(fixture, i).id;
        request.excluded = ids + 1;
        request.excluded_count = 4;
        for (int i = 0; i < 50; i++) {
            pick = fixture_pick(fixture, &request);
            assert_int_equal(pick.id, ids[0]);
            assert_false(pick.reused);
            fixture_report(fixture, &pick, RESIL_SUCCESS);
        }
        request.excluded = ids;
        request.excluded_count = 5;
        pick = fixture_pick(fixture, &request);
        assert_true(pick.reused);
        fixture_report(fixture, &pick, RESIL_SUCCESS);
        request.no_reuse = true;
        assert_int_equal(resil_balancer_pick(&fixture->lb, &request, 1, &pick), RESIL_EUNAVAILABLE);
        assert_int_equal(resil_balancer_report(&fixture->lb, &pick, RESIL_SUCCESS, 1, 1),
                         RESIL_EINVAL);
        /* Only 64 are looked at; that there are more is no reuse. */
        fixture_update(fixture, FIXTURE_HOSTS);
        for (size_t i = 0; i < FIXTURE_HOSTS; i++)
            ids[i] = fixture_endpoint(fixture, i).id;
        request.excluded_count = 200;
        for (int i = 0; i < 50; i++) {
            request.key = resil__mix((uint64_t)i + 1);
            pick = fixture_pick(fixture, &request);
            assert_false(pick.reused);
            for (size_t e = 0; e < 64; e++)
                assert_int_not_equal(pick.id, ids[e]);
            fixture_report(fixture, &pick, RESIL_SUCCESS);
        }
        fixture_end(fixture);
    }
}

/* Picks and reports at random, a hundred at a time in flight. */
static void work(struct fixture *fixture, size_t n, uint64_t *seed)
{
    struct resil_pick held[100];
    size_t count = 0;

    for (size_t i = 0; i < 400; i++) {
        struct resil_pick_request request = {.key = test_random(seed), .random = test_random(seed)};

        if (count == 100 || (count > 0 && test_below(seed, 2) != 0)) {
            fixture_report(fixture, &held[--count],
                           test_below(seed, 8) != 0 ? RESIL_SUCCESS : RESIL_TIMEOUT);
            continue;
        }
        held[count] = fixture_pick(fixture, &request);
        assert_true((struct resil_endpoint *)held[count].user < many + n);
        count++;
    }
    while (count > 0)
        fixture_report(fixture, &held[--count], RESIL_SUCCESS);
    assert_int_equal(fixture_snapshot(fixture).in_flight, 0);
}

/* With one, two and 10,000 endpoints, of which then half are down, from any picker to any other. */
static void every_picker_takes_over_from_every_other(void **state)
{
    static const size_t sizes[] = {1, 2, MANY};
    uint64_t seed = test_seed(0xba1);

    (void)state;
    for (size_t s = 0; s < 3; s++) {
        struct fixture *fixture = fixture_new();

        fixture->config.picker = pickers[0];
        fixture_init(fixture);
        assert_int_equal(resil_balancer_update(&fixture->lb, many, sizes[s], fixture->now_ns),
                         RESIL_OK);
        for (size_t turn = 0; turn < (sizes[s] == MANY ? 14 : 12 * 12); turn++) {
            fixture->config.picker = pickers[sizes[s] == MANY ? turn % 12 : turn / 12];
            for (size_t half = 0; half < 2; half++) {
                assert_int_equal(
                    resil_balancer_reconfigure(&fixture->lb, &fixture->config, fixture->now_ns),
                    RESIL_OK);
                work(fixture, sizes[s], &seed);
                fixture->config.picker = pickers[turn % 12];
                if (sizes[s] == MANY)
                    break;
            }
            if (turn == 1)
                for (size_t i = 0; i < sizes[s] / 2; i++)
                    (void)resil_balancer_health(&fixture->lb, fixture_endpoint(fixture, i).id,
                                                false, fixture->now_ns);
            fixture_wait(fixture, RESIL_SEC(1));
        }
        fixture_end(fixture);
    }
}

/* Nobody who is down is picked, whatever the table was built from. */
static void half_of_a_thousand_are_down(void **state)
{
    (void)state;
    for (size_t p = 0; p < 12; p++) {
        struct fixture *fixture = fixture_new();

        fixture->config.picker = pickers[p];
        fixture_init(fixture);
        assert_int_equal(resil_balancer_update(&fixture->lb, many, 1000, fixture->now_ns),
                         RESIL_OK);
        for (size_t i = 0; i < 1000; i += 2)
            (void)resil_balancer_health(&fixture->lb, fixture_endpoint(fixture, i).id, false,
                                        fixture->now_ns);
        fixture_wait(fixture, 1);
        for (uint64_t i = 0; i < 500; i++) {
            struct resil_pick pick =
                fixture_pick(fixture, &(struct resil_pick_request){.key = resil__mix(i) | 1});

            assert_int_equal(((struct resil_endpoint *)pick.user - many) % 2, 1);
            assert_false(pick.panic);
            fixture_report(fixture, &pick, RESIL_SUCCESS);
        }
        fixture_end(fixture);
    }
}

/* The same seed, list and random bits: the same picks. */
static void a_seed_and_random_bits_say_it_all(void **state)
{
    (void)state;
    for (size_t p = 0; p < 12; p++) {
        struct fixture *fixtures[3];
        uint64_t differ = 0;
        uint64_t seed = test_seed(9);

        for (size_t f = 0; f < 3; f++) {
            fixtures[f] = fixture_new();
            fixtures[f]->config.picker = pickers[p];
            fixtures[f]->config.seed = f < 2 ? 5 : 6;
            fixture_start(fixtures[f], 50);
        }
        for (int i = 0; i < 300; i++) {
            struct resil_pick_request request = {.random = test_random(&seed)};
            enum resil_outcome outcome = i % 7 == 0 ? RESIL_FAILURE : RESIL_SUCCESS;
            size_t host = fixture_call(fixtures[0], &request, outcome);

            assert_int_equal(fixture_call(fixtures[1], &request, outcome), host);
            differ += fixture_call(fixtures[2], &request, outcome) != host;
        }
        if (p < 2) /* who goes round begins elsewhere */
            assert_int_not_equal(differ, 0);
        for (size_t f = 0; f < 3; f++)
            fixture_end(fixtures[f]);
    }
}

static void ids_of_two_balancers_differ(void **state)
{
    struct fixture *fixtures[2] = {fixture_new(), fixture_new()};

    (void)state;
    for (size_t f = 0; f < 2; f++)
        fixture_start(fixtures[f], FIXTURE_HOSTS);
    for (size_t i = 0; i < FIXTURE_HOSTS; i++)
        for (size_t j = 0; j < FIXTURE_HOSTS; j++)
            assert_int_not_equal(fixture_endpoint(fixtures[0], i).id,
                                 fixture_endpoint(fixtures[1], j).id);
    for (size_t f = 0; f < 2; f++)
        fixture_end(fixtures[f]);
}

/* Replacing all of 10,000 while the old ones are held takes no walk over these for each new one. */
static void ten_thousand_leave_and_come_back(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_pick *held = calloc(MANY, sizeof *held);
    uint64_t id;

    (void)state;
    fixture->config.picker = pickers[0];
    fixture_init(fixture);
    assert_int_equal(resil_balancer_update(&fixture->lb, many, MANY, fixture->now_ns), RESIL_OK);
    id = fixture_endpoint(fixture, MANY - 1).id;
    for (size_t i = 0; i < MANY; i++)
        held[i] = fixture_pick(fixture, NULL);
    fixture_update(fixture, 1); /* h0 stays */
    assert_int_equal(fixture_snapshot(fixture).leaving, MANY - 1);
    assert_int_equal(resil_balancer_update(&fixture->lb, many, MANY, fixture->now_ns), RESIL_OK);
    assert_int_equal(fixture_snapshot(fixture).leaving, 0);
    assert_int_equal(fixture_snapshot(fixture).in_flight, MANY);
    assert_int_equal(fixture_endpoint(fixture, MANY - 1).id, id);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(fixture_endpoint(fixture, i).in_flight, 1);
    for (size_t i = 0; i < MANY; i++)
        fixture_report(fixture, &held[i], RESIL_SUCCESS);
    assert_int_equal(fixture_snapshot(fixture).in_flight, 0);
    free(held);
    fixture_end(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_excluded_endpoint_is_the_last_resort),
        cmocka_unit_test(every_picker_takes_over_from_every_other),
        cmocka_unit_test(half_of_a_thousand_are_down),
        cmocka_unit_test(a_seed_and_random_bits_say_it_all),
        cmocka_unit_test(ids_of_two_balancers_differ),
        cmocka_unit_test(ten_thousand_leave_and_come_back),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
