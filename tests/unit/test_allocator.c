/* SPDX-License-Identifier: BSD-2-Clause */

/* The default allocator. */
#include "test.h"

#include <errno.h>

#include <resil/allocator.h>

/* The sanitizers end a program that asks for too much. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED false
#endif

static void memory_is_aligned_and_writable(void **state)
{
    const struct resil_allocator *from = resil_allocator_default();

    (void)state;
    assert_int_equal(from->size, sizeof *from);
    for (size_t alignment = sizeof(void *); alignment <= 4096; alignment *= 2)
        for (size_t bytes = 1; bytes <= 300; bytes += 13) {
            unsigned char *memory = from->allocate(from->arg, bytes, alignment);

            assert_non_null(memory);
            assert_int_equal((uintptr_t)memory % alignment, 0);
            memset(memory, 0xa5, bytes);
            from->release(from->arg, memory, bytes);
        }
    from->release(from->arg, NULL, 0);
}

static void what_cannot_be_had_is_null_and_leaves_errno_alone(void **state)
{
    const struct resil_allocator *from = resil_allocator_default();

    (void)state;
    if (SANITIZED)
        return;
    errno = EDOM;
    assert_null(from->allocate(from->arg, SIZE_MAX / 4, 64));
    assert_int_equal(errno, EDOM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_aligned_and_writable),
        cmocka_unit_test(what_cannot_be_had_is_null_and_leaves_errno_alone),
    };

    return cmocka_run_group_tests_name("allocator", tests, NULL, NULL);
}
