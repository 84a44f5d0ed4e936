/* SPDX-License-Identifier: BSD-2-Clause */
#include "queue_fixture.h"

static void queue_holds_100_and_waits_a_second_by_default(void **state)
{
    static struct resil_ticket many[101];

    (void)state;
    with((struct resil_queue_config){0});
    assert_int_equal(resil_queue_init(&queue, &bulkhead, NULL), RESIL_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(resil_queue_enter(&queue, &many[i], T0), RESIL_WAIT);
    assert_int_equal(resil_queue_enter(&queue, &many[100], T0), RESIL_EFULL);
    assert_int_equal(many[0].until_ns, T0 + RESIL_SEC(1));
}

static void assert_refused(struct resil_queue_config config, const char *expected)
{
    char why[160] = "untouched";

    assert_int_equal(resil_queue_config_check(&config, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, expected);
    assert_int_equal(resil_queue_init(&queue, &bulkhead, &config), RESIL_EINVAL);
}

static void queue_config_check_names_the_field(void **state)
{
    char why[160] = "untouched";

    (void)state;
    with((struct resil_queue_config){0});
    assert_int_equal(resil_queue_config_check(NULL, why, sizeof why), RESIL_OK);
    assert_string_equal(why, "untouched");
    assert_refused((struct resil_queue_config){.length = 1000001},
                   "length is 1000001: must be 1 to 1000000 (0 = default)");
    assert_refused((struct resil_queue_config){.wait_ns = RESIL_OFF},
                   "wait_ns is RESIL_OFF: must be 1 to 3600000000000 (0 = default)");
    assert_refused((struct resil_queue_config){.poll_ns = 999},
                   "poll_ns is 999: must be 1000 to 3600000000000 (0 = default, RESIL_OFF = off)");
}

static void queue_init_refuses_what_does_not_fit_and_touches_nothing(void **state)
{
    struct resil_bulkhead fresh = {0};
    struct resil_queue before;
    size_t config_size = sizeof(struct resil_queue_config);

    (void)state;
    with((struct resil_queue_config){0});
    before = queue;
    assert_int_equal(resil_queue_init(NULL, &bulkhead, NULL), RESIL_EINVAL);
    assert_int_equal(resil_queue_init(&queue, NULL, NULL), RESIL_EINVAL);
    assert_int_equal(resil_queue_init(&queue, &fresh, NULL), RESIL_EINVAL);
    assert_int_equal(resil_queue_init_sized(&queue, 8, &bulkhead, NULL, config_size), RESIL_EABI);
    assert_int_equal(resil_queue_init_sized(&queue, sizeof queue, &bulkhead, NULL, 8), RESIL_EABI);
    assert_int_equal(resil_queue_snapshot(&queue, NULL), RESIL_EINVAL);
    assert_memory_equal(&queue, &before, sizeof before);
}

static void fini_is_busy_until_every_ticket_is_outside(void **state)
{
    struct resil_queue_snapshot snapshot;

    (void)state;
    with((struct resil_queue_config){.length = 1, .lifo = true});
    enter_all(2);
    assert_int_equal(resil_queue_fini(&queue), RESIL_EBUSY);
    assert_int_equal(confirm(0, 0), RESIL_EFULL);
    assert_int_equal(resil_queue_fini(&queue), RESIL_EBUSY);
    assert_int_equal(resil_queue_release(&queue), RESIL_OK);
    assert_int_equal(resil_queue_fini(&queue), RESIL_EBUSY); /* a grant to confirm */
    assert_int_equal(confirm(1, 0), RESIL_OK);

    assert_int_equal(resil_queue_fini(&queue), RESIL_OK);
    assert_int_equal(resil_queue_fini(&queue), RESIL_EINVAL);
    assert_int_equal(resil_queue_snapshot(&queue, &snapshot), RESIL_EINVAL);
    assert_int_equal(resil_queue_fini(NULL), RESIL_EINVAL);
    assert_in_flight(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_holds_100_and_waits_a_second_by_default),
        cmocka_unit_test(queue_config_check_names_the_field),
        cmocka_unit_test(queue_init_refuses_what_does_not_fit_and_touches_nothing),
        cmocka_unit_test(fini_is_busy_until_every_ticket_is_outside),
    };

    return cmocka_run_group_tests_name("queue_config", tests, NULL, NULL);
}
