/* SPDX-License-Identifier: BSD-2-Clause */

/* Stripes as a program makes them that says nothing, on the processors there are. Run a second time without rseq
   areas, where the system is asked for the processor. */
#include "test.h"

#include <resil/leased_bulkhead.h>
#include <resil/leased_limiter.h>

static void without_a_config_stripes_have_their_defaults(void **state)
{
    struct resil_bulkhead bulkhead;
    struct resil_leased_bulkhead places;
    struct resil_leased_limiter tokens;
    struct resil_limiter limiter;

    (void)state;
    assert_int_equal(resil_bulkhead_init(&bulkhead, &(struct resil_bulkhead_config){.limit = 1}),
                     RESIL_OK);
    assert_int_equal(resil_leased_bulkhead_init(&places, &bulkhead, NULL), RESIL_OK);
    assert_int_equal(resil_leased_bulkhead_acquire(&places), RESIL_OK);
    assert_int_equal(resil_leased_bulkhead_acquire(&places), RESIL_EFULL);
    assert_int_equal(resil_leased_bulkhead_release(&places), RESIL_OK);

    assert_int_equal(
        resil_limiter_init(&limiter, &(struct resil_limiter_config){.tokens = 1, .burst = 1}),
        RESIL_OK);
    assert_int_equal(resil_leased_limiter_init(&tokens, &limiter, NULL), RESIL_OK);
    assert_int_equal(resil_leased_limiter_acquire(&tokens, 1, RESIL_SEC(9), NULL), RESIL_OK);
    assert_int_equal(resil_leased_limiter_acquire(&tokens, 1, RESIL_SEC(9), NULL), RESIL_ELIMITED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_config_stripes_have_their_defaults),
    };

    return cmocka_run_group_tests_name("leased defaults", tests, NULL, NULL);
}
