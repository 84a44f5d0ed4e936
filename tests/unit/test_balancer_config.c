/* SPDX-License-Identifier: BSD-2-Clause */

/* Configs that are refused, configs that change, and memory: out of it, beside it, how much. */
#include "balancer_fixture.h"

static const char *const tag[] = {"x"};
static const char *const no_tag[] = {NULL};
static const char *const empty_tag[] = {""};
static const struct resil_subset good = {tag, 1, RESIL_SUBSET_FALLBACK_ANY};
static const struct resil_subset without_tags = {tag, 0, RESIL_SUBSET_FALLBACK_ANY};
static const struct resil_subset null_tags = {NULL, 1, RESIL_SUBSET_FALLBACK_ANY};
static const struct resil_subset null_tag = {no_tag, 1, RESIL_SUBSET_FALLBACK_ANY};
static const struct resil_subset nameless = {empty_tag, 1, RESIL_SUBSET_FALLBACK_ANY};
static const struct resil_subset lost = {tag, 1, (enum resil_subset_fallback)2};

static uint32_t first(const struct resil_pool *pool, struct resil_pick_context *context)
{
    (void)pool;
    (void)context;
    return 0;
}

static void build(const struct resil_pool *pool, void *table)
{
    (void)pool;
    (void)table;
}

static const struct resil_picker small = {.size = 8, .name = "small", .pick = first};
static const struct resil_picker mute = {.size = sizeof mute, .name = "mute"};
static const struct resil_picker unnamed = {.size = sizeof unnamed, .pick = first};
static const struct resil_picker half = {
    .size = sizeof half, .name = "half", .build = build, .pick = first};
static const struct resil_allocator halved = {.size = sizeof halved, .allocate = fixture_allocate};

static void config_check_names_what_is_wrong(void **state)
{
    static const char picker_why[] = "picker: must have its size, a name and a pick";
    static const char tag_why[] = "subsets.tags: a tag must not be NULL or empty";
    const struct {
        struct resil_balancer_config config;
        const char *why;
    } rows[] = {
        {{.picker = &small}, picker_why},
        {{.picker = &mute}, picker_why},
        {{.picker = &unnamed}, picker_why},
        {{.picker = &half}, "picker: must have both of table_size and build, or none"},
        {{.allocator = &halved}, "allocator: must have its size and both functions"},
        {{.options.choices = 1}, "choices is 1: must be 2 to 16"},
        {{.options.maglev_size = 4}, "maglev_size: must be a prime"},
        {{.outlier.failure_pct = 101}, "failure_pct is 101: must be 1 to 100"},
        {{.slow_start.min_pct = 101}, "min_pct is 101: must be 1 to 100"},
        {{.priority.panic_pct = 101}, "panic_pct is 101: must be 1 to 100"},
        {{.canary = {.version = ""}}, "version: must not be empty"},
        {{.subset_count = 17}, "subset_count is 17: must be 1 to 16"},
        {{.subset_count = 1}, "subsets: must not be NULL while subset_count is not 0"},
        {{.subsets = &without_tags, .subset_count = 1}, "subsets.tags: a subset must name a tag"},
        {{.subsets = &null_tags, .subset_count = 1}, "subsets.tags: a subset must name a tag"},
        {{.subsets = &null_tag, .subset_count = 1}, tag_why},
        {{.subsets = &nameless, .subset_count = 1}, tag_why},
        {{.subsets = &lost, .subset_count = 1}, "subsets.fallback: must be one of"},
        {{.client_endpoints = 1000001}, "client_endpoints is 1000001: must be 1 to 1000000"},
        {{.client_number = 1000000001}, "client_number is 1000000001: must be 1 to 1000000000"},
        {{.stale_keep_ns = RESIL_SEC(86400) * 36525 + 1}, "stale_keep_ns is"},
        {{.state_size = 65537}, "state_size is 65537: must be 1 to 65536"},
    };
    struct fixture *fixture = fixture_new();

    (void)state;
    fixture_start(fixture, 2);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct resil_balancer_config config = rows[i].config;
        struct resil_balancer lb;
        char why[160] = "";

        assert_int_equal(resil_balancer_config_check(&config, why, sizeof why), RESIL_EINVAL);
        assert_memory_equal(why, rows[i].why, strlen(rows[i].why));
        assert_int_equal(resil_balancer_init(&lb, &config), RESIL_EINVAL);
        config.seed = 42;
        if (config.allocator == NULL)
            config.allocator = &fixture->allocator;
        assert_int_equal(resil_balancer_reconfigure(&fixture->lb, &config, 1), RESIL_EINVAL);
    }
    assert_int_equal(resil_balancer_config_check(NULL, NULL, 0), RESIL_OK);
    fixture_end(fixture);
}

static void sizes_and_nulls_are_refused(void **state)
{
    struct resil_balancer lb;
    struct resil_balancer_config config = {.seed = 1};
    struct resil_pick pick = {.id = 0};
    struct resil_endpoint_snapshot one;
    struct resil_balancer_snapshot all;
    struct resil_balancer_event event;

    (void)state;
    assert_int_equal(resil_balancer_init_sized(&lb, sizeof lb - 8, &config, sizeof config),
                     RESIL_EABI);
    assert_int_equal(resil_balancer_init_sized(&lb, sizeof lb, &config, sizeof config + 8),
                     RESIL_EABI);
    assert_int_equal(resil_balancer_init(NULL, NULL), RESIL_EINVAL);
    memset(&lb, 0, sizeof lb); /* not initialised */
    assert_int_equal(resil_balancer_fini(&lb), RESIL_EINVAL);
    assert_int_equal(resil_balancer_update(&lb, NULL, 0, 1), RESIL_EINVAL);
    assert_int_equal(resil_balancer_reconfigure(&lb, &config, 1), RESIL_EINVAL);
    assert_int_equal(resil_balancer_tick(&lb, 1, NULL), RESIL_EINVAL);
    assert_int_equal(resil_balancer_health(&lb, 1, true, 1), RESIL_EINVAL);
    assert_int_equal(resil_balancer_snapshot(&lb, &all), RESIL_EINVAL);
    assert_false(resil_balancer_event(&lb, &event));
    assert_int_equal(resil_balancer_pick(NULL, NULL, 1, &pick), RESIL_EINVAL);
    assert_int_equal(resil_balancer_tick(NULL, 1, NULL), RESIL_EINVAL);
    assert_int_equal(resil_balancer_init(&lb, NULL), RESIL_OK);
    assert_int_equal(resil_balancer_pick(&lb, NULL, 1, NULL), RESIL_EINVAL);
    assert_int_equal(resil_balancer_report(&lb, NULL, RESIL_SUCCESS, 1, 1), RESIL_EINVAL);
    assert_int_equal(resil_balancer_reconfigure(&lb, NULL, 1), RESIL_EINVAL);
    assert_int_equal(resil_balancer_endpoint(&lb, 0, 1, &one), RESIL_EINVAL);
    assert_int_equal(resil_balancer_fini(&lb), RESIL_OK);
    assert_int_equal(resil_balancer_fini(&lb), RESIL_EINVAL);
}

static int begin(void *arg, void *memory, const struct resil_endpoint *endpoint)
{
    static const char zeros[100];
    int64_t *counts = arg; /* begun, ended, the one that fails */

    assert_int_equal((uintptr_t)memory % 64, 0);
    assert_memory_equal(memory, zeros, sizeof zeros);
    assert_non_null(endpoint->user);
    if (counts[0] + 1 == counts[2])
        return -77;
    counts[0]++;
    memset(memory, 0xaa, sizeof zeros);
    return (int)counts[0]; /* what is not below 0 is success */
}

static void end(void *arg, void *memory)
{
    int64_t *counts = arg;

    assert_int_equal(*(unsigned char *)memory, 0xaa);
    memset(memory, 0, 100);
    counts[1]++;
}

static void what_cannot_change_does_not(void **state)
{
    struct fixture *fixture = fixture_new();
    int64_t counts[3] = {0, 0, -1};
    struct resil_balancer_config changes[8];

    (void)state;
    fixture_start(fixture, 4);
    for (size_t i = 0; i < 8; i++)
        changes[i] = fixture->config;
    changes[0].seed = 43;
    changes[1].allocator = NULL;
    changes[2].client_endpoints = 2;
    changes[3].client_number = 1;
    changes[4].state_size = 8;
    changes[5].state_init = begin;
    changes[6].state_fini = end;
    changes[7].state_arg = counts;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(resil_balancer_reconfigure(&fixture->lb, &changes[i], 1), RESIL_EINVAL);
    fixture_eject(fixture, 1);
    fixture->endpoints[3].address = "h0";
    fixture_update(fixture, 4);
    fixture->config.picker = resil_picker_maglev();
    fixture->config.zone = "a";
    assert_int_equal(resil_balancer_reconfigure(&fixture->lb, &fixture->config, fixture->now_ns),
                     RESIL_OK);
    assert_int_equal(fixture_endpoint(fixture, 1).state, RESIL_ENDPOINT_EJECTED);
    assert_int_equal(fixture_snapshot(fixture).endpoints, 3);
    assert_int_equal(fixture_snapshot(fixture).duplicates, 1); /* still true */
    fixture_end(fixture);
}

/* Whichever allocation fails, picks go on as before, and with the old config. */
static void without_memory_the_old_config_stays(void **state)
{
    (void)state;
    for (size_t at = 1;; at++) {
        struct fixture *fixture = fixture_new();
        struct resil_balancer_config config;
        struct resil_pick pick;
        int rc;

        fixture->endpoints[0].version = "v2";
        fixture_start(fixture, 6);
        fixture->fail_at = fixture->made + at;
        config = fixture->config;
        config.picker = resil_picker_smooth_weighted();
        config.canary = (struct resil_canary_config){.version = "v2", .weight_bp = 5000};
        config.priority.panic_pct = RESIL_OFF;
        config.subsets = &good;
        config.subset_count = 1;
        rc = resil_balancer_reconfigure(&fixture->lb, &config, fixture->now_ns);
        assert_int_equal(fixture_snapshot(fixture).canary_bp, rc == RESIL_OK ? 5000 : 0);
        assert_int_equal(fixture_snapshot(fixture).memory, fixture->held);
        for (int i = 0; i < 20; i++)
            (void)fixture_call(fixture, NULL, RESIL_SUCCESS);
        for (size_t i = 0; i < 6; i++) /* panic is as it was */
            (void)resil_balancer_health(&fixture->lb, fixture_endpoint(fixture, i).id, false,
                                        fixture->now_ns);
        fixture_wait(fixture, 0);
        assert_int_equal(resil_balancer_pick(&fixture->lb, NULL, fixture->now_ns, &pick),
                         rc == RESIL_OK ? RESIL_EUNAVAILABLE : RESIL_OK);
        if (rc == RESIL_OK) {
            assert_true(at > 6);
            fixture_end(fixture);
            break;
        }
        assert_int_equal(rc, RESIL_ENOMEM);
        fixture_report(fixture, &pick, RESIL_SUCCESS);
        fixture_end(fixture);
    }
}

/* Made once for each endpoint and ended once, also when a list fails half-way, by its own code or
   without memory. */
static void state_begins_and_ends_once(void **state)
{
    (void)state;
    for (size_t at = 1; at < 40; at++) {
        struct fixture *fixture = fixture_new();
        int64_t counts[3] = {0, 0, at < 8 ? (int64_t)at : -1};
        struct resil_pick pick;
        int rc;

        fixture->config.state_size = 100;
        fixture->config.state_init = begin;
        fixture->config.state_fini = end;
        fixture->config.state_arg = counts;
        fixture_init(fixture);
        fixture->fail_at = at < 8 ? 0 : at - 7;
        rc = resil_balancer_update(&fixture->lb, fixture->endpoints, 6, fixture->now_ns);
        assert_int_equal(rc, at < 7 ? -77 : rc == RESIL_OK ? RESIL_OK : RESIL_ENOMEM);
        assert_int_equal(counts[0] - counts[1], rc == RESIL_OK ? 6 : 0);
        counts[2] = -1;
        fixture->fail_at = 0;
        fixture_update(fixture, 6);
        pick = fixture_pick(fixture, NULL);
        assert_int_equal(*(unsigned char *)pick.state, 0xaa);
        fixture_report(fixture, &pick, RESIL_SUCCESS);
        fixture_update(fixture, 3);
        fixture_wait(fixture, RESIL_SEC(2));
        assert_int_equal(counts[0] - counts[1], 3);
        fixture_end(fixture);
        assert_int_equal(counts[0], counts[1]);
    }
}

/* The formula of balancer.h, "Memory": never more, and not much less. */
static void memory_is_as_documented(void **state)
{
    static const size_t sizes[] = {100, 10000};
    static char names[10000][16];
    static struct resil_endpoint endpoints[10000];

    (void)state;
    for (size_t i = 0; i < 10000; i++) {
        (void)snprintf(names[i], sizeof names[i], "10.1.%05zu:8080", i);
        endpoints[i] = (struct resil_endpoint){.address = names[i], .weight = 1 + i % 5};
    }
    for (size_t s = 0; s < 2; s++) {
        size_t n = sizes[s], spare = 400 * 1024 + 64 * n;
        const struct {
            const struct resil_picker *picker;
            size_t table, whole_ki;
        } rows[] = {
            {resil_picker_least_requests(), 0, s == 0 ? 62 : 4403},
            {resil_picker_weighted_random(), 60 * n, s == 0 ? 69 : 5000},
            {resil_picker_smooth_weighted(), 3 * (40 * 1024 + (400 * n < spare ? 400 * n : spare)),
             s == 0 ? 176 : 7270},
            {resil_picker_ring_hash(), (size_t)24 * 65536, s == 0 ? 82 : 4915},
            {resil_picker_maglev(), 16 * 1024 + 2 * (s == 0 ? (size_t)65537 : 655373) + 48 * n,
             s == 0 ? 202 : 6042},
        };

        for (size_t p = 0; p < sizeof rows / sizeof rows[0]; p++) {
            struct fixture *fixture = fixture_new();
            size_t bound = 24 * 1024 + 2 * 1024 + n * (192 + 160 + 112) + rows[p].table;

            fixture->config.picker = rows[p].picker;
            fixture_init(fixture);
            assert_int_equal(resil_balancer_update(&fixture->lb, endpoints, n, fixture->now_ns),
                             RESIL_OK);
            assert_int_equal(fixture_snapshot(fixture).memory, fixture->held);
            assert_in_range(fixture->held, 0, bound);
            assert_in_range(fixture->held / 1024, rows[p].whole_ki * 95 / 100,
                            rows[p].whole_ki * 105 / 100);
            fixture_end(fixture);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_check_names_what_is_wrong),
        cmocka_unit_test(sizes_and_nulls_are_refused),
        cmocka_unit_test(what_cannot_change_does_not),
        cmocka_unit_test(without_memory_the_old_config_stays),
        cmocka_unit_test(state_begins_and_ends_once),
        cmocka_unit_test(memory_is_as_documented),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
