/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <resil/resil.h>

#include "endpoints_print.h"

static const char good[] = "# backends\r\n"
                           "\n"
                           "  10.0.0.1:8080\t \n"
                           "10.0.0.2:8080 weight=2 zone=a # the big one\r\n"
                           " \t\n"
                           "\t10.0.0.3:8080 priority=15 tag=canary zone=b version=v=7 tag=a#b\n"
                           "unix:/run/a=b weight=65535 weight0=no";

/* The text as heap memory of just its size, so that a read past its end is seen. */
static int parse(const char *text, size_t size, struct resil_endpoint_list *list, char *why,
                 size_t why_size)
{
    char *copy = malloc(size + (size == 0));
    int rc;

    assert_non_null(copy);
    memcpy(copy, text, size);
    rc = resil_endpoints_parse(copy, size, NULL, list, why, why_size);
    free(copy);
    return rc;
}

static void expect_error(const char *text, size_t size, const char *expected)
{
    struct resil_endpoint_list list;
    char why[128] = "";

    assert_int_equal(parse(text, size, &list, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, expected);
    assert_null(list.endpoints);
    assert_int_equal(list.count, 0);
}

#define EXPECT_ERROR(text, expected) expect_error(text, sizeof(text) - 1, expected)

static struct resil_endpoint_list expect_list(const char *text, size_t size)
{
    struct resil_endpoint_list list;
    char why[128] = "untouched";

    if (parse(text, size, &list, why, sizeof why) != RESIL_OK)
        fail_msg("%s", why);
    assert_string_equal(why, "untouched");
    return list;
}

#define EXPECT_LIST(text) expect_list(text, sizeof(text) - 1)

static void a_list_has_what_its_lines_say(void **state)
{
    /* Without the last word, which is an error. */
    struct resil_endpoint_list list = expect_list(good, sizeof good - sizeof " weight0=no");
    const struct resil_endpoint *e = list.endpoints;

    (void)state;
    assert_int_equal(list.count, 4);
    assert_string_equal(e[0].address, "10.0.0.1:8080");
    assert_int_equal(e[0].weight, 1);
    assert_int_equal(e[0].priority, 0);
    assert_null(e[0].zone);
    assert_null(e[0].version);
    assert_null(e[0].tags);
    assert_int_equal(e[0].tag_count, 0);
    assert_null(e[0].user);
    assert_string_equal(e[1].address, "10.0.0.2:8080");
    assert_int_equal(e[1].weight, 2);
    assert_string_equal(e[1].zone, "a");
    assert_int_equal(e[1].tag_count, 0);
    assert_string_equal(e[2].address, "10.0.0.3:8080");
    assert_int_equal(e[2].priority, 15);
    assert_string_equal(e[2].zone, "b");
    assert_string_equal(e[2].version, "v=7");
    assert_int_equal(e[2].tag_count, 2);
    assert_string_equal(e[2].tags[0], "canary");
    assert_string_equal(e[2].tags[1], "a#b");
    assert_string_equal(e[3].address, "unix:/run/a=b");
    assert_int_equal(e[3].weight, 65535);
    resil_endpoints_fini(&list);
    assert_null(list.endpoints);
    assert_int_equal(list.count, 0);
    resil_endpoints_fini(&list);
    resil_endpoints_fini(NULL);
}

static void an_empty_text_is_an_empty_list(void **state)
{
    struct failing_allocator memory;
    struct resil_endpoint_list list;

    (void)state;
    failing_allocator_init(&memory);
    memory.fail_at = 1;
    assert_int_equal(resil_endpoints_parse(NULL, 0, &memory.allocator, &list, NULL, 0), RESIL_OK);
    assert_int_equal(list.count, 0);
    assert_int_equal(
        resil_endpoints_parse("\n# none\n \t\r\n\r", 13, &memory.allocator, &list, NULL, 0),
        RESIL_OK);
    assert_int_equal(list.count, 0);
    assert_int_equal(memory.asked, 0);
    resil_endpoints_fini(&list);
}

static void what_may_stand_in_a_word(void **state)
{
    struct resil_endpoint_list list = EXPECT_LIST("\xc3\xa9#1 zone=\xff\xfe tag== weight=007\n"
                                                  "http://x/?a=b zone=#\n"
                                                  "zones=1\n"
                                                  "Weight=1 #");

    (void)state;
    assert_int_equal(list.count, 4);
    assert_string_equal(list.endpoints[0].address, "\xc3\xa9#1");
    assert_string_equal(list.endpoints[0].zone, "\xff\xfe");
    assert_string_equal(list.endpoints[0].tags[0], "=");
    assert_int_equal(list.endpoints[0].weight, 7);
    assert_string_equal(list.endpoints[1].address, "http://x/?a=b");
    assert_string_equal(list.endpoints[1].zone, "#");
    assert_string_equal(list.endpoints[2].address, "zones=1");
    assert_string_equal(list.endpoints[3].address, "Weight=1");
    resil_endpoints_fini(&list);
}

static void numbers_stay_in_their_range(void **state)
{
    struct resil_endpoint_list list = EXPECT_LIST("a weight=0 priority=0\nb weight=65535");

    (void)state;
    assert_int_equal(list.endpoints[0].weight, 0);
    assert_int_equal(list.endpoints[1].weight, 65535);
    resil_endpoints_fini(&list);
    EXPECT_ERROR("a\nb\n\n\n\n\nc weight=70000\n", "line 7: weight=70000: must be 0 to 65535");
    EXPECT_ERROR("a weight=65536", "line 1: weight=65536: must be 0 to 65535");
    EXPECT_ERROR("a weight=-1", "line 1: weight=-1: must be 0 to 65535");
    EXPECT_ERROR("a weight=+1", "line 1: weight=+1: must be 0 to 65535");
    EXPECT_ERROR("a weight=0x1", "line 1: weight=0x1: must be 0 to 65535");
    EXPECT_ERROR("a weight=18446744073709551617",
                 "line 1: weight=18446744073709551617: must be 0 to 65535");
    EXPECT_ERROR("a priority=16", "line 1: priority=16: must be 0 to 15");
    EXPECT_ERROR("a priority=one", "line 1: priority=one: must be 0 to 15");
}

static void words_that_are_no_known_pair_are_refused(void **state)
{
    (void)state;
    EXPECT_ERROR("a\nb canary\n", "line 2: canary: must be key=value");
    EXPECT_ERROR("a wieght=1",
                 "line 1: wieght=1: unknown key: must be weight, priority, zone, version or tag");
    EXPECT_ERROR("a Zone=1",
                 "line 1: Zone=1: unknown key: must be weight, priority, zone, version or tag");
    EXPECT_ERROR("a =1", "line 1: =1: unknown key: must be weight, priority, zone, version or tag");
    EXPECT_ERROR("a weight = 1", "line 1: weight: must be key=value");
    EXPECT_ERROR("a zone=", "line 1: zone=: has no value");
    EXPECT_ERROR("a weight=\r\n", "line 1: weight=: has no value");
    EXPECT_ERROR("a tag= ", "line 1: tag=: has no value");
    EXPECT_ERROR("weight=2", "line 1: weight=2: an address must come first");
    EXPECT_ERROR(" tag= a", "line 1: tag=: an address must come first");
}

static void keys_stand_once_but_for_tag(void **state)
{
    struct resil_endpoint_list list = EXPECT_LIST("a tag=x tag=x");

    (void)state;
    assert_int_equal(list.endpoints[0].tag_count, 2);
    resil_endpoints_fini(&list);
    EXPECT_ERROR("a weight=1 weight=1", "line 1: weight=1: stands twice on this line");
    EXPECT_ERROR("a priority=1 tag=x priority=2", "line 1: priority=2: stands twice on this line");
    EXPECT_ERROR("a zone=x zone=y", "line 1: zone=y: stands twice on this line");
    EXPECT_ERROR("a version=x version=y", "line 1: version=y: stands twice on this line");
}

static void control_characters_are_refused(void **state)
{
    (void)state;
    EXPECT_ERROR("a\n\0", "line 2: has a NUL byte");
    EXPECT_ERROR("# \0", "line 1: has a NUL byte");
    EXPECT_ERROR("a\x7f", "line 1: has a control character");
    EXPECT_ERROR("a zone=\x1b[0m", "line 1: has a control character");
    EXPECT_ERROR("a\rb", "line 1: has a control character");
    EXPECT_ERROR("a\r\r\n", "line 1: has a control character");
    EXPECT_ERROR("\xef\xbb\xbf"
                 "a",
                 "line 1: begins with a byte order mark");
}

static void an_error_shows_a_word_so_that_it_prints(void **state)
{
    (void)state;
    EXPECT_ERROR("a z\xc3\xa9\xff", "line 1: z???: must be key=value");
    EXPECT_ERROR("a 0123456789012345678901234567890123456789012345678",
                 "line 1: 012345678901234567890123456789012345678901234567...: must be key=value");
}

static void an_error_fits_where_it_is_put(void **state)
{
    struct resil_endpoint_list list;
    char why[8];

    (void)state;
    assert_int_equal(resil_endpoints_parse("a b", 3, NULL, &list, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, "line 1:");
    assert_int_equal(resil_endpoints_parse("a b", 3, NULL, &list, why, 0), RESIL_EINVAL);
    assert_int_equal(resil_endpoints_parse("a b", 3, NULL, &list, NULL, 8), RESIL_EINVAL);
}

static void a_line_has_at_most_4096_bytes(void **state)
{
    char text[2 + 4096 + 2];
    struct resil_endpoint_list list;

    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text, "b\n", 2);
    memcpy(text + 2 + 4096, "\r\n", 2);
    list = expect_list(text, sizeof text);
    assert_int_equal(strlen(list.endpoints[1].address), 4096);
    resil_endpoints_fini(&list);
    text[2 + 4096] = 'a';
    expect_error(text, sizeof text, "line 2: longer than 4096 bytes");
    memset(text + 2, ' ', sizeof text - 2);
    expect_error(text, sizeof text, "line 2: longer than 4096 bytes");
}

static void a_text_has_at_most_100000_lines(void **state)
{
    size_t size = 200000;
    char *text = malloc(size + 1);
    struct resil_endpoint_list list;

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < size; i += 2)
        memcpy(text + i, "a\n", 2);
    text[size] = '#';
    list = expect_list(text, size);
    assert_int_equal(list.count, 100000);
    resil_endpoints_fini(&list);
    expect_error(text, size + 1, "line 100001: more than 100000 lines");
    free(text);
}

static void a_text_has_at_most_16_mib(void **state)
{
    size_t size = RESIL_ENDPOINTS_SIZE_MAX;
    char *text = malloc(size + 1);
    struct resil_endpoint_list list;

    (void)state;
    assert_non_null(text);
    memset(text, '#', size + 1);
    for (size_t i = 4095; i < size; i += 4096)
        text[i] = '\n';
    list = expect_list(text, size);
    assert_int_equal(list.count, 0);
    expect_error(text, size + 1, "size is 16777217: must be 0 to 16777216");
    free(text);
}

static void arguments_are_checked(void **state)
{
    struct resil_allocator other = *resil_allocator_default();
    struct resil_endpoint_list list;
    char why[64];

    (void)state;
    assert_int_equal(resil_endpoints_parse("a", 1, NULL, NULL, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, "list: must not be NULL");
    assert_int_equal(resil_endpoints_parse(NULL, 1, NULL, &list, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, "text: must not be NULL");
    other.size--;
    assert_int_equal(resil_endpoints_parse("a", 1, &other, &list, NULL, 0), RESIL_EABI);
}

static void without_memory_there_is_no_list(void **state)
{
    struct failing_allocator memory;
    struct resil_endpoint_list list;
    char why[128];

    (void)state;
    failing_allocator_init(&memory);
    memory.fail_at = 1;
    assert_int_equal(
        resil_endpoints_parse("a tag=b\n", 8, &memory.allocator, &list, why, sizeof why),
        RESIL_ENOMEM);
    assert_string_equal(why, "out of memory: 76 bytes for 1 endpoints");
    assert_int_equal(list.count, 0);
    assert_null(list.endpoints);
    assert_int_equal(resil_endpoints_parse("a tag=b\n", 8, &memory.allocator, &list, NULL, 0),
                     RESIL_OK);
    assert_int_equal(memory.bytes, 76);
    resil_endpoints_fini(&list);
    assert_int_equal(memory.out, 0);
    assert_int_equal(memory.bytes, 0);
}

static void check_bounds(const struct resil_endpoint_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        assert_true(list->endpoints[i].address[0] != '\0');
        assert_true(list->endpoints[i].weight <= RESIL_WEIGHT_MAX);
        assert_true(list->endpoints[i].priority < RESIL_PRIORITIES);
    }
}

static void every_beginning_of_a_text_is_a_list_or_an_error(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof good; size++) {
        struct resil_endpoint_list list;
        char why[128] = "";

        if (parse(good, size, &list, why, sizeof why) != RESIL_OK)
            assert_memory_equal(why, "line ", 5);
        check_bounds(&list);
        resil_endpoints_fini(&list);
    }
}

static void random_bytes_are_a_list_or_an_error(void **state)
{
    static const char words[] = "a \t\n\r#=\xff\x01"
                                "09weightpriorityzoneversiontag";
    uint64_t seed = test_seed(11), random = seed;
    unsigned lists = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[96], why[128] = "";
        size_t size = test_below(&random, sizeof text);
        struct resil_endpoint_list list;

        for (size_t i = 0; i < size; i++)
            text[i] = words[test_below(&random, round % 2 == 0 ? sizeof words - 1 : 6)];
        if (parse(text, size, &list, why, sizeof why) == RESIL_OK)
            lists++;
        else if (strncmp(why, "line ", 5) != 0)
            fail_msg("RESIL_SEED=%" PRIu64 ", round %d: %s", seed, round, why);
        check_bounds(&list);
        resil_endpoints_fini(&list);
    }
    assert_true(lists > 1000);
}

static void a_printed_list_reads_as_the_same_list(void **state)
{
    struct resil_endpoint_list list = expect_list(good, sizeof good - sizeof " weight0=no");
    char first[512], second[512];
    size_t size = endpoints_print(list.endpoints, list.count, first, sizeof first);

    (void)state;
    resil_endpoints_fini(&list);
    assert_string_equal(first, "10.0.0.1:8080\n"
                               "10.0.0.2:8080 weight=2 zone=a\n"
                               "10.0.0.3:8080 priority=15 zone=b version=v=7 tag=canary tag=a#b\n"
                               "unix:/run/a=b weight=65535\n");
    list = expect_list(first, size);
    (void)endpoints_print(list.endpoints, list.count, second, sizeof second);
    resil_endpoints_fini(&list);
    assert_string_equal(first, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_has_what_its_lines_say),
        cmocka_unit_test(an_empty_text_is_an_empty_list),
        cmocka_unit_test(what_may_stand_in_a_word),
        cmocka_unit_test(numbers_stay_in_their_range),
        cmocka_unit_test(words_that_are_no_known_pair_are_refused),
        cmocka_unit_test(keys_stand_once_but_for_tag),
        cmocka_unit_test(control_characters_are_refused),
        cmocka_unit_test(an_error_shows_a_word_so_that_it_prints),
        cmocka_unit_test(an_error_fits_where_it_is_put),
        cmocka_unit_test(a_line_has_at_most_4096_bytes),
        cmocka_unit_test(a_text_has_at_most_100000_lines),
        cmocka_unit_test(a_text_has_at_most_16_mib),
        cmocka_unit_test(arguments_are_checked),
        cmocka_unit_test(without_memory_there_is_no_list),
        cmocka_unit_test(every_beginning_of_a_text_is_a_list_or_an_error),
        cmocka_unit_test(random_bytes_are_a_list_or_an_error),
        cmocka_unit_test(a_printed_list_reads_as_the_same_list),
    };

    return cmocka_run_group_tests_name("endpoints_parse", tests, NULL, NULL);
}
