/* SPDX-License-Identifier: BSD-2-Clause */
#define _DEFAULT_SOURCE
#include "test.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <resil/bulkhead.h>

#include "bulkhead/bulkhead_fast.h"

static struct resil_bulkhead bulkhead;

static void with_limit(uint64_t limit)
{
    memset(&bulkhead, 0xa5, sizeof bulkhead);
    assert_int_equal(
        resil_bulkhead_init(&bulkhead, &(struct resil_bulkhead_config){.limit = limit}), RESIL_OK);
}

static void acquire_times(unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        assert_int_equal(resil_bulkhead_acquire(&bulkhead), RESIL_OK);
}

static void assert_state(uint64_t limit, uint64_t in_flight)
{
    struct resil_bulkhead_snapshot snapshot;

    assert_int_equal(resil_bulkhead_snapshot(&bulkhead, &snapshot), RESIL_OK);
    assert_int_equal(snapshot.limit, limit);
    assert_int_equal(snapshot.in_flight, in_flight);
}

static void set_limit(uint64_t limit)
{
    assert_int_equal(
        resil_bulkhead_reconfigure(&bulkhead, &(struct resil_bulkhead_config){.limit = limit}),
        RESIL_OK);
}

static void bulkhead_admits_up_to_its_limit(void **state)
{
    (void)state;
    with_limit(3);
    acquire_times(3);

    assert_int_equal(resil_bulkhead_acquire(&bulkhead), RESIL_EFULL);
    assert_int_equal(resil_bulkhead_acquire(&bulkhead), RESIL_EFULL);
    assert_state(3, 3);
}

static void bulkhead_admits_one_for_each_release(void **state)
{
    (void)state;
    with_limit(2);
    acquire_times(2);

    for (int i = 0; i < 10; i++) {
        assert_int_equal(resil_bulkhead_release(&bulkhead), RESIL_OK);
        assert_int_equal(resil_bulkhead_acquire(&bulkhead), RESIL_OK);
        assert_int_equal(resil_bulkhead_acquire(&bulkhead), RESIL_EFULL);
    }
}

static void bulkhead_has_25_permits_by_default(void **state)
{
    struct resil_bulkhead_snapshot snapshot;

    (void)state;
    with_limit(0);
    assert_state(25, 0);
    assert_int_equal(resil_bulkhead_init(&bulkhead, NULL), RESIL_OK);
    assert_state(25, 0);
    assert_int_equal(resil_bulkhead_snapshot(&bulkhead, &snapshot), RESIL_OK);
    acquire_times(25);
    assert_int_equal(resil_bulkhead_acquire(&bulkhead), RESIL_EFULL);
}

static void bulkhead_detects_a_release_too_many(void **state)
{
    (void)state;
    with_limit(2);
    assert_int_equal(resil_bulkhead_release(&bulkhead), RESIL_EINVAL);
    assert_state(2, 0);

    acquire_times(1);
    assert_int_equal(resil_bulkhead_release(&bulkhead), RESIL_OK);
    assert_int_equal(resil_bulkhead_release(&bulkhead), RESIL_EINVAL);
    assert_int_equal(resil_bulkhead_release(&bulkhead), RESIL_EINVAL);
    assert_state(2, 0);
    acquire_times(2);
    assert_int_equal(resil_bulkhead_acquire(&bulkhead), RESIL_EFULL);
}

static void bulkhead_shows_no_negative_count_while_a_release_too_many_is_undone(void **state)
{
    (void)state;
    with_limit(1);

    bulkhead.word_ -= RESIL__BULKHEAD_ONE; /* what two racing releases show for a moment */
    assert_state(1, 0);
    assert_false(resil__bulkhead_full(bulkhead.word_));
    assert_int_equal(resil__bulkhead_limit(bulkhead.word_), 1);
}

static void bulkhead_drains_to_a_lower_limit(void **state)
{
    (void)state;
    with_limit(5);
    acquire_times(5);
    set_limit(2);
    assert_state(2, 5);

    for (unsigned left = 4; left >= 2; left--) {
        assert_int_equal(resil_bulkhead_release(&bulkhead), RESIL_OK);
        assert_int_equal(resil_bulkhead_acquire(&bulkhead), RESIL_EFULL);
        assert_state(2, left);
    }
    assert_int_equal(resil_bulkhead_release(&bulkhead), RESIL_OK);
    assert_int_equal(resil_bulkhead_acquire(&bulkhead), RESIL_OK);
    assert_int_equal(resil_bulkhead_acquire(&bulkhead), RESIL_EFULL);
}

static void bulkhead_admits_at_once_after_a_higher_limit(void **state)
{
    (void)state;
    with_limit(1);
    acquire_times(1);
    set_limit(3);
    acquire_times(2);
    assert_int_equal(resil_bulkhead_acquire(&bulkhead), RESIL_EFULL);
    set_limit(0);
    assert_state(25, 3);
}

static void bulkhead_refuses_a_bad_reconfigure_and_keeps_its_limit(void **state)
{
    struct resil_bulkhead_config config = {.limit = RESIL__BULKHEAD_LIMIT_MAX + 1};
    struct resil_bulkhead fresh = {0};

    (void)state;
    with_limit(7);
    assert_int_equal(resil_bulkhead_reconfigure(&bulkhead, &config), RESIL_EINVAL);
    assert_int_equal(resil_bulkhead_reconfigure(&bulkhead, NULL), RESIL_EINVAL);
    config.limit = 1;
    assert_int_equal(resil_bulkhead_reconfigure(NULL, &config), RESIL_EINVAL);
    assert_int_equal(resil_bulkhead_reconfigure(&fresh, &config), RESIL_EINVAL);
    assert_int_equal(resil__bulkhead_limit(fresh.word_), 0);
    assert_state(7, 0);
}

static void bulkhead_counts_as_far_as_its_limit_goes(void **state)
{
    (void)state;
    with_limit(RESIL__BULKHEAD_LIMIT_MAX);
    bulkhead.word_ += (RESIL__BULKHEAD_LIMIT_MAX - 1) * RESIL__BULKHEAD_ONE;

    acquire_times(1);
    assert_state(RESIL__BULKHEAD_LIMIT_MAX, RESIL__BULKHEAD_LIMIT_MAX);
    assert_int_equal(resil_bulkhead_acquire(&bulkhead), RESIL_EFULL);
    assert_int_equal(resil_bulkhead_release(&bulkhead), RESIL_OK);
    assert_state(RESIL__BULKHEAD_LIMIT_MAX, RESIL__BULKHEAD_LIMIT_MAX - 1);
}

static void bulkhead_forgets_calls_at_reset(void **state)
{
    (void)state;
    with_limit(4);
    acquire_times(4);
    resil_bulkhead_reset(&bulkhead);
    assert_state(4, 0);
    assert_int_equal(resil_bulkhead_release(&bulkhead), RESIL_EINVAL);
    resil_bulkhead_reset(NULL);
}

static void bulkhead_config_check_names_the_field(void **state)
{
    struct resil_bulkhead_config config = {.limit = RESIL_OFF};
    char why[120] = "untouched";

    (void)state;
    assert_int_equal(resil_bulkhead_config_check(NULL, why, sizeof why), RESIL_OK);
    assert_string_equal(why, "untouched");
    assert_int_equal(resil_bulkhead_config_check(&config, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, "limit is RESIL_OFF: must be 1 to 2147483647 (0 = default)");
    assert_int_equal(resil_bulkhead_config_check(&config, NULL, 0), RESIL_EINVAL);
}

static void bulkhead_init_refuses_what_does_not_fit_and_touches_nothing(void **state)
{
    struct resil_bulkhead_config config = {.limit = RESIL_OFF};
    struct resil_bulkhead before;

    (void)state;
    with_limit(3);
    before = bulkhead;
    assert_int_equal(resil_bulkhead_init(&bulkhead, &config), RESIL_EINVAL);
    assert_int_equal(resil_bulkhead_init(NULL, NULL), RESIL_EINVAL);
    assert_int_equal(resil_bulkhead_init_sized(&bulkhead, 8, NULL, sizeof config), RESIL_EABI);
    assert_int_equal(resil_bulkhead_init_sized(&bulkhead, sizeof bulkhead, NULL, 4), RESIL_EABI);
    assert_memory_equal(&bulkhead, &before, sizeof before);
}

static void bulkhead_that_is_not_initialised_admits_nothing(void **state)
{
    struct resil_bulkhead fresh = {0};
    struct resil_bulkhead_snapshot snapshot;

    (void)state;
    assert_int_equal(resil_bulkhead_acquire(&fresh), RESIL_EFULL);
    assert_int_equal(resil_bulkhead_release(&fresh), RESIL_EINVAL);
    assert_int_equal(resil_bulkhead_snapshot(&fresh, &snapshot), RESIL_EINVAL);
    assert_int_equal(resil_bulkhead_snapshot(NULL, &snapshot), RESIL_EINVAL);
    assert_int_equal(resil_bulkhead_snapshot(&bulkhead, NULL), RESIL_EINVAL);
}

/* Three children compete for two permits: the parent holds the third. */
static void run_child(struct resil_bulkhead *shared)
{
    struct resil_bulkhead_snapshot snapshot;

    for (int done = 0; done < 20000;) {
        if (resil_bulkhead_acquire(shared) != RESIL_OK)
            continue;
        done++;
        if (resil_bulkhead_snapshot(shared, &snapshot) != RESIL_OK || snapshot.in_flight == 0 ||
            snapshot.in_flight > snapshot.limit || resil_bulkhead_release(shared) != RESIL_OK)
            _exit(1);
    }
    _exit(0);
}

static void bulkhead_is_shared_between_processes(void **state)
{
    enum {
        CHILDREN = 3
    };
    struct resil_bulkhead *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct resil_bulkhead_snapshot snapshot;
    int status;

    (void)state;
    assert_true(shared != MAP_FAILED);
    assert_int_equal(resil_bulkhead_init(shared, &(struct resil_bulkhead_config){.limit = 3}),
                     RESIL_OK);
    assert_int_equal(resil_bulkhead_acquire(shared), RESIL_OK);
    for (int i = 0; i < CHILDREN; i++)
        if (fork() == 0)
            run_child(shared);
    for (int i = 0; i < CHILDREN; i++) {
        assert_true(wait(&status) > 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }

    assert_int_equal(resil_bulkhead_snapshot(shared, &snapshot), RESIL_OK);
    assert_int_equal(snapshot.in_flight, 1);
    assert_int_equal(resil_bulkhead_release(shared), RESIL_OK);
    assert_int_equal(resil_bulkhead_release(shared), RESIL_EINVAL);
    (void)munmap(shared, sizeof *shared);
}

/* A write to the page would end the test with SIGSEGV. */
static void refusal_writes_nothing(void **state)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    struct resil_bulkhead *page =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_true(page != MAP_FAILED);
    assert_int_equal(resil_bulkhead_init(page, &(struct resil_bulkhead_config){.limit = 1}),
                     RESIL_OK);
    assert_int_equal(mprotect(page, size, PROT_READ), 0);
    assert_int_equal(resil_bulkhead_release(page), RESIL_EINVAL);

    assert_int_equal(mprotect(page, size, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(resil_bulkhead_acquire(page), RESIL_OK);
    assert_int_equal(mprotect(page, size, PROT_READ), 0);
    assert_int_equal(resil_bulkhead_acquire(page), RESIL_EFULL);
    (void)munmap(page, size);
}

static void policy_takes_a_permit_and_gives_it_back_for_every_kind_of_result(void **state)
{
    struct resil_policy policy = resil_bulkhead_policy(&bulkhead);
    struct resil_walk walk = {0};

    (void)state;
    with_limit(1);
    assert_string_equal(policy.ops->name, "bulkhead");
    assert_int_equal(policy.ops->size, sizeof(struct resil_policy_ops));
    assert_int_equal(policy.ops->frame_words, 0);
    assert_int_equal(policy.ops->flags, RESIL_ON_ALL);
    for (int outcome = RESIL_SUCCESS; outcome < RESIL_OUTCOMES; outcome++) {
        walk.result.outcome = (enum resil_outcome)outcome;
        assert_int_equal(policy.ops->admit(policy.self, NULL, &walk), RESIL_PASS);
        assert_state(1, 1);
        assert_int_equal(policy.ops->settle(policy.self, NULL, &walk), RESIL_PASS);
        assert_state(1, 0);
    }
}

static void policy_refuses_when_full_and_gives_back_when_abandoned(void **state)
{
    struct resil_policy policy = resil_bulkhead_policy(&bulkhead);
    struct resil_walk walk = {0};

    (void)state;
    with_limit(1);
    assert_int_equal(policy.ops->admit(policy.self, NULL, &walk), RESIL_PASS);
    assert_int_equal(policy.ops->admit(policy.self, NULL, &walk), RESIL_EFULL);
    assert_int_equal(policy.ops->abandon(policy.self, NULL, &walk), RESIL_PASS);
    assert_state(1, 0);
}

static void policy_wants_an_initialised_bulkhead(void **state)
{
    struct resil_policy policy = resil_bulkhead_policy(&bulkhead);
    struct resil_bulkhead fresh = {0};

    (void)state;
    with_limit(1);
    assert_int_equal(policy.ops->check(&bulkhead), RESIL_OK);
    assert_int_equal(policy.ops->check(&fresh), RESIL_EINVAL);
    assert_int_equal(policy.ops->check(NULL), RESIL_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bulkhead_admits_up_to_its_limit),
        cmocka_unit_test(bulkhead_admits_one_for_each_release),
        cmocka_unit_test(bulkhead_has_25_permits_by_default),
        cmocka_unit_test(bulkhead_detects_a_release_too_many),
        cmocka_unit_test(bulkhead_shows_no_negative_count_while_a_release_too_many_is_undone),
        cmocka_unit_test(bulkhead_drains_to_a_lower_limit),
        cmocka_unit_test(bulkhead_admits_at_once_after_a_higher_limit),
        cmocka_unit_test(bulkhead_refuses_a_bad_reconfigure_and_keeps_its_limit),
        cmocka_unit_test(bulkhead_counts_as_far_as_its_limit_goes),
        cmocka_unit_test(bulkhead_forgets_calls_at_reset),
        cmocka_unit_test(bulkhead_config_check_names_the_field),
        cmocka_unit_test(bulkhead_init_refuses_what_does_not_fit_and_touches_nothing),
        cmocka_unit_test(bulkhead_that_is_not_initialised_admits_nothing),
        cmocka_unit_test(bulkhead_is_shared_between_processes),
        cmocka_unit_test(refusal_writes_nothing),
        cmocka_unit_test(policy_takes_a_permit_and_gives_it_back_for_every_kind_of_result),
        cmocka_unit_test(policy_refuses_when_full_and_gives_back_when_abandoned),
        cmocka_unit_test(policy_wants_an_initialised_bulkhead),
    };

    return cmocka_run_group_tests_name("bulkhead", tests, NULL, NULL);
}
