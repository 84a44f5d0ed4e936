/* SPDX-License-Identifier: BSD-2-Clause */

/* Building chains, and what is refused. */
#include "chain_fixture.h"

/* ---- building ---- */

static void init_refuses_an_empty_chain(void **state)
{
    expect_init_fails(*state, 0, RESIL_EINVAL, "count is 0: must be 1 to 16, with policies given");
}

static void init_refuses_more_policies_than_fit(void **state)
{
    expect_init_fails(*state, 17, RESIL_EINVAL,
                      "count is 17: must be 1 to 16, with policies given");
}

static void init_refuses_null(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(resil_chain_init(&f->chain, NULL, 1, NULL, 0), RESIL_EINVAL);
}

static void init_refuses_other_sizes(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        resil_chain_init_sized(&f->chain, 8, f->policies, sizeof *f->policies, 1, NULL, 0),
        RESIL_EABI);
    assert_int_equal(resil_chain_init_sized(&f->chain, sizeof f->chain, f->policies, 8, 1, NULL, 0),
                     RESIL_EABI);
}

static void init_refuses_a_policy_without_table(void **state)
{
    struct fixture *f = *state;

    f->policies[1].ops = NULL;
    expect_init_fails(f, 2, RESIL_EINVAL, "policy 1 (?): has no table of functions");
}

static void init_refuses_a_table_of_another_size(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.size = 8;
    expect_init_fails(f, 1, RESIL_EABI,
                      "policy 0 (?): its table has another size than the library's");
}

static void init_refuses_a_policy_without_name(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.name = NULL;
    expect_init_fails(f, 1, RESIL_EINVAL, "policy 0 (?): has no name");
}

static void init_refuses_settle_flags_without_settle(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.settle = NULL;
    expect_init_fails(f, 1, RESIL_EINVAL, "policy 0 (script): flags ask for settle, which is NULL");
}

static void init_refuses_settle_without_flags(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.flags = 0;
    expect_init_fails(f, 1, RESIL_EINVAL,
                      "policy 0 (script): settle is never asked: set RESIL_ON_... flags");
}

static void init_refuses_unknown_flags(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.flags |= 64;
    expect_init_fails(f, 1, RESIL_EINVAL, "policy 0 (script): unknown flags");
}

static void init_refuses_a_timer_without_frame(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.frame_words = 0;
    expect_init_fails(f, 1, RESIL_EINVAL,
                      "policy 0 (script): a timer needs admit and a frame word");
}

static void init_refuses_a_frame_that_is_too_large(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.frame_words = 17;
    expect_init_fails(f, 1, RESIL_EINVAL, "policy 0 (script): frame_words must be 0 to 16");
}

static void init_refuses_more_frame_words_than_a_call_holds(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 7; i++)
        f->scripts[i].ops.frame_words = 16;
    assert_int_equal(resil_chain_init(&f->chain, f->policies, 6, NULL, 0), 0);
    expect_init_fails(
        f, 7, RESIL_EINVAL,
        "the policies need 112 frame words, inside of a fork three times each: a call "
        "holds 96");
}

/* Each lane has frames of its own: of those from the fork on there is a third of the room. */
static void init_counts_what_is_inside_of_a_fork_three_times(void **state)
{
    struct fixture *f = *state;
    const uint32_t room = (RESIL_CALL_WORDS_ - RESIL_LANES_WORDS_) / RESIL_LANES_MAX;

    f->scripts[0].ops.flags |= RESIL_FORKS;
    f->scripts[0].ops.frame_words = 1;
    f->scripts[1].ops.frame_words = (room - 1) / 2;
    f->scripts[2].ops.frame_words = room - 1 - (room - 1) / 2;
    assert_int_equal(resil_chain_init(&f->chain, f->policies, 3, NULL, 0), 0);
    f->scripts[2].ops.frame_words++;
    assert_int_equal(resil_chain_init(&f->chain, f->policies, 3, NULL, 0), RESIL_EINVAL);
}

static void init_refuses_a_second_fork(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.flags |= RESIL_FORKS;
    f->scripts[2].ops.flags |= RESIL_FORKS;
    expect_init_fails(f, 3, RESIL_EINVAL,
                      "policy 2 (script): a second one that forks; a chain has at most one");
}

static int never_ready(const void *self)
{
    (void)self;
    return RESIL_EINVAL;
}

static void init_refuses_an_object_that_is_not_initialised(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].ops.check = never_ready;
    expect_init_fails(f, 2, RESIL_EINVAL, "policy 1 (script): its object is not initialised");
}

static void init_takes_sixteen_policies(void **state)
{
    struct fixture *f = *state;

    build(f, 16);
    assert_int_equal(run(f, NULL), RESIL_OK);
    assert_int_equal(f->scripts[15].settles, 1);
}

static void run_refuses_an_environment_of_another_size(void **state)
{
    struct fixture *f = *state;

    build(f, 1);
    f->env.env.size = 8;
    assert_int_equal(run(f, NULL), RESIL_EABI);
    assert_int_equal(f->calls, 0);
}

static void run_refuses_null_and_a_chain_that_failed_to_build(void **state)
{
    struct fixture *f = *state;

    build(f, 1);
    assert_int_equal(resil_chain_run(NULL, &f->env.env, NULL, callback, f, NULL), RESIL_EINVAL);
    assert_int_equal(resil_chain_run(&f->chain, NULL, NULL, callback, f, NULL), RESIL_EINVAL);
    assert_int_equal(resil_chain_run(&f->chain, &f->env.env, NULL, NULL, f, NULL), RESIL_EINVAL);
    f->scripts[0].ops.frame_words = 17;
    assert_int_equal(resil_chain_init(&f->chain, f->policies, 1, NULL, 0), RESIL_EINVAL);
    assert_int_equal(run(f, NULL), RESIL_EINVAL);
    assert_int_equal(f->calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(init_refuses_an_empty_chain),
        TEST(init_refuses_more_policies_than_fit),
        TEST(init_refuses_null),
        TEST(init_refuses_other_sizes),
        TEST(init_refuses_a_policy_without_table),
        TEST(init_refuses_a_table_of_another_size),
        TEST(init_refuses_a_policy_without_name),
        TEST(init_refuses_settle_flags_without_settle),
        TEST(init_refuses_settle_without_flags),
        TEST(init_refuses_unknown_flags),
        TEST(init_refuses_a_timer_without_frame),
        TEST(init_refuses_a_frame_that_is_too_large),
        TEST(init_refuses_more_frame_words_than_a_call_holds),
        TEST(init_counts_what_is_inside_of_a_fork_three_times),
        TEST(init_refuses_a_second_fork),
        TEST(init_refuses_an_object_that_is_not_initialised),
        TEST(init_takes_sixteen_policies),
        TEST(run_refuses_an_environment_of_another_size),
        TEST(run_refuses_null_and_a_chain_that_failed_to_build),
    };

    return cmocka_run_group_tests_name("chain init", tests, NULL, NULL);
}
