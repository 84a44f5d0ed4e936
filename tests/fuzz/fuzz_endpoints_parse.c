/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A text is a list, or one line that says why it isn't. A list keeps its bounds, reads the same
 * after it was printed, and is all or nothing without memory.
 */
#include "fuzz.h"

#include "endpoints_print.h"

#ifdef FUZZ_CONTROL
/* A twin that loses the last of several endpoints. */
static int twin(const char *text, size_t size, const struct resil_allocator *allocator,
                struct resil_endpoint_list *list, char *why, size_t why_size)
{
    int rc = resil_endpoints_parse(text, size, allocator, list, why, why_size);

    if (rc == RESIL_OK && list->count > 1)
        list->count--;
    return rc;
}
#define resil_endpoints_parse twin
#endif

static void check_why(const char *why, size_t why_size)
{
    const char *end = memchr(why, '\0', why_size);

    FUZZ_CHECK(end != NULL && end > why);
    FUZZ_CHECK(strncmp(why, "line ", 5) == 0 || strncmp(why, "size is ", 8) == 0);
    for (; why < end; why++)
        FUZZ_CHECK(*why >= ' ' && *why <= '~');
}

static void check_word(const char *word)
{
    FUZZ_CHECK(word[0] != '\0');
    for (; *word != '\0'; word++)
        FUZZ_CHECK((unsigned char)*word > ' ' && *word != 0x7f);
}

static void check_list(const struct resil_endpoint_list *list)
{
    FUZZ_CHECK((list->count == 0) == (list->endpoints == NULL));
    FUZZ_CHECK(list->count <= RESIL_ENDPOINTS_LINES_MAX);
    for (size_t i = 0; i < list->count; i++) {
        const struct resil_endpoint *endpoint = &list->endpoints[i];

        check_word(endpoint->address);
        FUZZ_CHECK(endpoint->address[0] != '#');
        FUZZ_CHECK(endpoint->weight <= RESIL_WEIGHT_MAX);
        FUZZ_CHECK(endpoint->priority < RESIL_PRIORITIES);
        if (endpoint->zone != NULL)
            check_word(endpoint->zone);
        if (endpoint->version != NULL)
            check_word(endpoint->version);
        FUZZ_CHECK((endpoint->tag_count == 0) == (endpoint->tags == NULL));
        for (size_t tag = 0; tag < endpoint->tag_count; tag++)
            check_word(endpoint->tags[tag]);
        FUZZ_CHECK(endpoint->user == NULL);
    }
}

static void check_way_back(const struct resil_endpoint_list *list, size_t text_size)
{
    size_t room = endpoints_print_size(text_size, list->count), size;
    char *first = malloc(room), *second = malloc(room), why[128] = "";
    struct resil_endpoint_list again;

    FUZZ_CHECK(first != NULL && second != NULL);
    size = endpoints_print(list->endpoints, list->count, first, room);
    if (resil_endpoints_parse(first, size, NULL, &again, why, sizeof why) == RESIL_OK) {
        FUZZ_CHECK(again.count == list->count);
        FUZZ_CHECK(endpoints_print(again.endpoints, again.count, second, room) == size);
        FUZZ_CHECK(memcmp(first, second, size) == 0);
        resil_endpoints_fini(&again);
    } else {
        /* An address may look like a byte order mark, but not on the first line. */
        FUZZ_CHECK(strstr(why, "byte order mark") != NULL);
    }
    free(first);
    free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct failing_allocator memory;
    struct resil_endpoint_list list;
    char why[128] = "";
    int rc;

    failing_allocator_init(&memory);
    rc = resil_endpoints_parse((const char *)data, size, &memory.allocator, &list, why, sizeof why);
    if (rc != RESIL_OK) {
        FUZZ_CHECK(rc == RESIL_EINVAL && memory.asked == 0);
        FUZZ_CHECK(list.endpoints == NULL && list.count == 0);
        check_why(why, sizeof why);
        return 0;
    }
    FUZZ_CHECK(why[0] == '\0' && memory.asked == (list.count > 0));
    FUZZ_CHECK(memory.bytes <= list.count * 64 + size * 2);
    check_list(&list);
    check_way_back(&list, size);
    resil_endpoints_fini(&list);
    FUZZ_CHECK(memory.out == 0 && memory.bytes == 0);

    memory.fail_at = memory.asked + 1;
    rc = resil_endpoints_parse((const char *)data, size, &memory.allocator, &list, why, sizeof why);
    FUZZ_CHECK(rc == (memory.asked == memory.fail_at ? RESIL_ENOMEM : RESIL_OK));
    FUZZ_CHECK(memory.out == 0 && list.count == 0);
    return 0;
}
