/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <resil/resil.h>

static const struct resil_endpoint two[] = {{.address = "a", .weight = 1},
                                            {.address = "b", .weight = 3}};

/* What push was given, and what it answers. */
struct taker {
    const struct resil_endpoint *endpoints;
    size_t n;
    uint64_t now_ns;
    unsigned calls;
    int answer;
};

static int take(void *arg, const struct resil_endpoint *endpoints, size_t n, uint64_t now_ns)
{
    struct taker *taker = arg;

    taker->endpoints = endpoints;
    taker->n = n;
    taker->now_ns = now_ns;
    taker->calls++;
    return taker->answer;
}

static void static_list_is_pushed_once(void **state)
{
    struct resil_static_resolver list;
    struct taker taker = {0};
    uint64_t next = 0;

    (void)state;
    assert_int_equal(resil_static_resolver_init(&list, two, 2), RESIL_OK);
    assert_string_equal(resil_resolver_name(&list.resolver), "static");
    assert_int_equal(resil_resolver_start(&list.resolver, take, &taker, NULL, 0), RESIL_OK);
    assert_int_equal(taker.calls, 0);
    assert_int_equal(resil_resolver_tick(&list.resolver, 7, &next), RESIL_OK);
    assert_int_equal(taker.calls, 1);
    assert_ptr_equal(taker.endpoints, two);
    assert_int_equal(taker.n, 2);
    assert_int_equal(taker.now_ns, 7);
    assert_int_equal(next, RESIL_NEVER);
    assert_int_equal(resil_resolver_tick(&list.resolver, 8, &next), RESIL_OK);
    assert_int_equal(taker.calls, 1);
    assert_int_equal(next, RESIL_NEVER);
    resil_resolver_stop(&list.resolver);
}

static void static_list_can_be_empty(void **state)
{
    struct resil_static_resolver list;
    struct taker taker = {.n = 9};
    uint64_t next;

    (void)state;
    assert_int_equal(resil_static_resolver_init(&list, NULL, 0), RESIL_OK);
    assert_int_equal(resil_resolver_start(&list.resolver, take, &taker, NULL, 0), RESIL_OK);
    assert_int_equal(resil_resolver_tick(&list.resolver, 0, &next), RESIL_OK);
    assert_int_equal(taker.calls, 1);
    assert_int_equal(taker.n, 0);
}

static void static_list_comes_again_until_it_is_taken(void **state)
{
    struct resil_static_resolver list;
    struct taker taker = {.answer = RESIL_EBUSY};
    uint64_t next;

    (void)state;
    assert_int_equal(resil_static_resolver_init(&list, two, 2), RESIL_OK);
    assert_int_equal(resil_resolver_start(&list.resolver, take, &taker, NULL, 0), RESIL_OK);
    assert_int_equal(resil_resolver_tick(&list.resolver, 1000, &next), RESIL_EBUSY);
    assert_int_equal(next, 1000 + RESIL_MS(100));
    taker.answer = RESIL_ENOMEM;
    assert_int_equal(resil_resolver_tick(&list.resolver, UINT64_MAX - 1, &next), RESIL_ENOMEM);
    assert_int_equal(next, RESIL_NEVER);
    taker.answer = RESIL_OK;
    assert_int_equal(resil_resolver_tick(&list.resolver, next, &next), RESIL_OK);
    assert_int_equal(taker.calls, 3);
    assert_int_equal(next, RESIL_NEVER);
}

static void static_list_that_will_never_do_is_dropped(void **state)
{
    static const int answers[] = {RESIL_EINVAL, RESIL_EABI};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct resil_static_resolver list;
        struct taker taker = {.answer = answers[i]};
        uint64_t next;

        assert_int_equal(resil_static_resolver_init(&list, two, 2), RESIL_OK);
        assert_int_equal(resil_resolver_start(&list.resolver, take, &taker, NULL, 0), RESIL_OK);
        assert_int_equal(resil_resolver_tick(&list.resolver, 0, &next), answers[i]);
        assert_int_equal(next, RESIL_NEVER);
        assert_int_equal(resil_resolver_tick(&list.resolver, 1, &next), RESIL_OK);
        assert_int_equal(taker.calls, 1);
    }
}

static void stopped_resolver_is_silent_and_starts_anew(void **state)
{
    struct resil_static_resolver list;
    struct taker first = {0}, second = {0};
    uint64_t next = 5;

    (void)state;
    assert_int_equal(resil_static_resolver_init(&list, two, 2), RESIL_OK);
    assert_int_equal(resil_resolver_tick(&list.resolver, 0, &next), RESIL_EINVAL);
    assert_int_equal(resil_resolver_push(&list.resolver, two, 2, 0), RESIL_EINVAL);
    assert_int_equal(resil_resolver_start(&list.resolver, take, &first, NULL, 0), RESIL_OK);
    assert_int_equal(resil_resolver_tick(&list.resolver, 0, &next), RESIL_OK);
    resil_resolver_stop(&list.resolver);
    resil_resolver_stop(&list.resolver);
    resil_resolver_stop(NULL);
    assert_int_equal(resil_resolver_tick(&list.resolver, 0, &next), RESIL_EINVAL);
    assert_int_equal(resil_resolver_start(&list.resolver, take, &second, NULL, 0), RESIL_OK);
    assert_int_equal(resil_resolver_tick(&list.resolver, 0, &next), RESIL_OK);
    assert_int_equal(first.calls, 1);
    assert_int_equal(second.calls, 1);
}

static void arguments_are_checked(void **state)
{
    struct resil_static_resolver list;
    struct taker taker;
    uint64_t next;
    char why[64];

    (void)state;
    assert_int_equal(resil_static_resolver_init(NULL, two, 2), RESIL_EINVAL);
    assert_int_equal(resil_static_resolver_init(&list, NULL, 2), RESIL_EINVAL);
    assert_int_equal(resil_static_resolver_init_sized(&list, sizeof list - 1, two, 2, sizeof *two),
                     RESIL_EABI);
    assert_int_equal(resil_static_resolver_init_sized(&list, sizeof list, two, 2, sizeof *two + 8),
                     RESIL_EABI);
    assert_int_equal(resil_static_resolver_init(&list, two, 2), RESIL_OK);
    assert_int_equal(resil_resolver_start(NULL, take, &taker, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, "resolver: must be initialised");
    assert_int_equal(resil_resolver_start(&list.resolver, NULL, &taker, why, sizeof why),
                     RESIL_EINVAL);
    assert_string_equal(why, "push: must not be NULL");
    assert_int_equal(resil_resolver_start(&list.resolver, take, &taker, why, sizeof why), RESIL_OK);
    assert_int_equal(resil_resolver_start(&list.resolver, take, &taker, why, sizeof why),
                     RESIL_EBUSY);
    assert_string_equal(why, "resolver: has been started already");
    assert_int_equal(resil_resolver_tick(NULL, 0, &next), RESIL_EINVAL);
    assert_int_equal(resil_resolver_tick(&list.resolver, 0, NULL), RESIL_EINVAL);
    assert_int_equal(resil_resolver_push(NULL, two, 2, 0), RESIL_EINVAL);
    assert_string_equal(resil_resolver_name(NULL), "");
    assert_string_equal(resil_resolver_name(&(struct resil_resolver){0}), "");
}

/* A resolver as somebody else would write it. */
struct own_resolver {
    uint64_t before; /* the shared part need not come first */
    struct resil_resolver resolver;
    int start_answer;
    unsigned starts, stops;
};

static struct own_resolver *own(struct resil_resolver *resolver)
{
    return (struct own_resolver *)(void *)((char *)resolver -
                                           offsetof(struct own_resolver, resolver));
}

static int own_start(struct resil_resolver *resolver, char *why, size_t why_size)
{
    own(resolver)->starts++;
    if (own(resolver)->start_answer != RESIL_OK)
        (void)snprintf(why, why_size, "no name server");
    return own(resolver)->start_answer;
}

static int own_tick(struct resil_resolver *resolver, uint64_t now_ns, uint64_t *next_ns)
{
    *next_ns = now_ns + 10;
    return resil_resolver_push(resolver, two, 1, now_ns);
}

static void own_stop(struct resil_resolver *resolver)
{
    own(resolver)->stops++;
}

static void resolver_of_ones_own_is_driven_alike(void **state)
{
    static const struct resil_resolver_ops ops = {
        .size = sizeof ops, .name = "own", .start = own_start, .tick = own_tick, .stop = own_stop};
    struct own_resolver own_one = {.start_answer = RESIL_EFAILED};
    struct taker taker = {0};
    uint64_t next;
    char why[64];

    (void)state;
    assert_int_equal(resil_resolver_init(&own_one.resolver, &ops), RESIL_OK);
    assert_string_equal(resil_resolver_name(&own_one.resolver), "own");
    assert_int_equal(resil_resolver_start(&own_one.resolver, take, &taker, why, sizeof why),
                     RESIL_EFAILED);
    assert_string_equal(why, "no name server");
    assert_int_equal(resil_resolver_tick(&own_one.resolver, 1, &next), RESIL_EINVAL);
    resil_resolver_stop(&own_one.resolver);
    assert_int_equal(own_one.stops, 0);
    own_one.start_answer = RESIL_OK;
    assert_int_equal(resil_resolver_start(&own_one.resolver, take, &taker, why, sizeof why),
                     RESIL_OK);
    assert_int_equal(resil_resolver_tick(&own_one.resolver, 1, &next), RESIL_OK);
    assert_int_equal(next, 11);
    assert_int_equal(taker.n, 1);
    resil_resolver_stop(&own_one.resolver);
    assert_int_equal(own_one.starts, 2);
    assert_int_equal(own_one.stops, 1);
}

static void ops_need_a_size_a_name_and_a_tick(void **state)
{
    const struct resil_resolver_ops good = {.size = sizeof good, .name = "x", .tick = own_tick};
    struct resil_resolver_ops bad = good;
    struct resil_resolver resolver;
    struct taker taker = {0};
    uint64_t next;

    (void)state;
    assert_int_equal(resil_resolver_init(NULL, &good), RESIL_EINVAL);
    assert_int_equal(resil_resolver_init(&resolver, NULL), RESIL_EINVAL);
    bad.size++;
    assert_int_equal(resil_resolver_init(&resolver, &bad), RESIL_EABI);
    bad = good;
    bad.name = NULL;
    assert_int_equal(resil_resolver_init(&resolver, &bad), RESIL_EINVAL);
    bad = good;
    bad.tick = NULL;
    assert_int_equal(resil_resolver_init(&resolver, &bad), RESIL_EINVAL);

    assert_int_equal(resil_resolver_init(&resolver, &good), RESIL_OK);
    assert_int_equal(resil_resolver_start(&resolver, take, &taker, NULL, 0), RESIL_OK);
    assert_int_equal(resil_resolver_tick(&resolver, 3, &next), RESIL_OK);
    resil_resolver_stop(&resolver);
    assert_int_equal(taker.calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(static_list_is_pushed_once),
        cmocka_unit_test(static_list_can_be_empty),
        cmocka_unit_test(static_list_comes_again_until_it_is_taken),
        cmocka_unit_test(static_list_that_will_never_do_is_dropped),
        cmocka_unit_test(stopped_resolver_is_silent_and_starts_anew),
        cmocka_unit_test(arguments_are_checked),
        cmocka_unit_test(resolver_of_ones_own_is_driven_alike),
        cmocka_unit_test(ops_need_a_size_a_name_and_a_tick),
    };

    return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
