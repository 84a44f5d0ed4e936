/* SPDX-License-Identifier: BSD-2-Clause */

/* Of the atomic operations of a build with -Dchaos=true one in 64 yields first. */
#include "test.h"

#include "base/atomic.h"

static unsigned yields;

int __wrap_sched_yield(void);
int __wrap_sched_yield(void)
{
    yields++;
    return 0;
}

static void one_operation_in_64_yields(void **state)
{
    uint64_t word = 0, expected = 0;
    uint32_t word32 = 0;

    (void)state;
    for (unsigned i = 0; i < 64000; i++)
        switch (i % 5) {
        case 0:
            (void)resil__load_acquire(&word);
            break;
        case 1:
            (void)resil__add_relaxed32(&word32, 1);
            break;
        case 2:
            resil__store_release(&word, 1);
            break;
        case 3:
            (void)resil__cas(&word, &expected, 2);
            break;
        default:
            (void)resil__xchg32(&word32, 3);
            break;
        }
    assert_in_range(yields, 700, 1300); /* 1000 +- 9.5 sigma */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_operation_in_64_yields),
    };

    return cmocka_run_group_tests_name("chaos", tests, NULL, NULL);
}
