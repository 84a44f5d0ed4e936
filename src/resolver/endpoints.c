/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Two passes over the text: the first checks every line and counts, the second fills one piece of
 * memory of exactly that size:
 *
 *     endpoints | pointers to tags | words, each with a 0 behind it
 *
 * No sum can overflow: a text has at most 16 MiB, so at most 100,000 endpoints, and fewer tags and
 * bytes of words than bytes of text.
 */
#include <resil/endpoints.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "resolver/endpoints_line.h"

/* What the first pass counts. */
struct totals {
    size_t endpoints;
    size_t tags;
    size_t bytes;
};

/* Where the second pass puts the next one. */
struct places {
    struct resil_endpoint *endpoint;
    const char **tag;
    char *byte;
};

/* Takes the first line off a text that isn't empty. */
static struct resil__span next_line(struct resil__span *text)
{
    const char *end = memchr(text->at, '\n', text->size);
    struct resil__span line = {text->at, end != NULL ? (size_t)(end - text->at) : text->size};
    size_t passed = line.size + (end != NULL);

    text->at += passed;
    text->size -= passed;
    return line;
}

static int count(struct resil__span text, struct totals *totals, struct resil__why why)
{
    struct resil__line line;

    for (uint64_t number = 1; text.size > 0; number++) {
        if (number > RESIL_ENDPOINTS_LINES_MAX) {
            if (why.text != NULL && why.size > 0)
                (void)snprintf(why.text, why.size, "line %" PRIu64 ": more than %" PRIu64 " lines",
                               number, RESIL_ENDPOINTS_LINES_MAX);
            return RESIL_EINVAL;
        }
        if (resil__line_parse(next_line(&text), number, &line, why) != RESIL_OK)
            return RESIL_EINVAL;
        totals->endpoints += line.address.at != NULL;
        totals->tags += line.tag_count;
        totals->bytes += line.bytes;
    }
    return RESIL_OK;
}

static const char *keep(struct places *places, struct resil__span word)
{
    char *kept = places->byte;

    if (word.at == NULL)
        return NULL;
    memcpy(kept, word.at, word.size);
    kept[word.size] = '\0';
    places->byte += word.size + 1;
    return kept;
}

static void put(struct places *places, const struct resil__line *line)
{
    struct resil__span words = line->words;

    *places->endpoint++ = (struct resil_endpoint){
        .address = keep(places, line->address),
        .weight = line->weight,
        .priority = line->priority,
        .zone = keep(places, line->zone),
        .version = keep(places, line->version),
        .tags = line->tag_count > 0 ? places->tag : NULL,
        .tag_count = line->tag_count,
    };
    for (size_t i = 0; i < line->tag_count; i++)
        *places->tag++ = keep(places, resil__line_tag(&words));
}

static void fill(struct resil__span text, struct places places)
{
    struct resil__line line;

    for (uint64_t number = 1; text.size > 0; number++) {
        (void)resil__line_parse(next_line(&text), number, &line, (struct resil__why){NULL, 0});
        if (line.address.at != NULL)
            put(&places, &line);
    }
}

static int make(struct resil__span text, const struct totals *totals,
                const struct resil_allocator *allocator, struct resil_endpoint_list *list,
                struct resil__why why)
{
    size_t endpoints_bytes = totals->endpoints * sizeof(struct resil_endpoint);
    size_t tags_bytes = totals->tags * sizeof(char *);
    size_t bytes = endpoints_bytes + tags_bytes + totals->bytes;
    char *memory = allocator->allocate(allocator->arg, bytes, _Alignof(struct resil_endpoint));

    if (memory == NULL) {
        if (why.text != NULL && why.size > 0)
            (void)snprintf(why.text, why.size, "out of memory: %zu bytes for %zu endpoints", bytes,
                           totals->endpoints);
        return RESIL_ENOMEM;
    }
    fill(text, (struct places){
                   .endpoint = (struct resil_endpoint *)(void *)memory,
                   .tag = (const char **)(void *)(memory + endpoints_bytes),
                   .byte = memory + endpoints_bytes + tags_bytes,
               });
    *list = (struct resil_endpoint_list){
        .endpoints = (const struct resil_endpoint *)(void *)memory,
        .count = totals->endpoints,
        .allocator_ = allocator,
        .memory_ = memory,
        .bytes_ = bytes,
    };
    return RESIL_OK;
}

int resil_endpoints_parse(const char *text, size_t size, const struct resil_allocator *allocator,
                          struct resil_endpoint_list *list, char *why, size_t why_size)
{
    struct resil__why where = {why, why_size};
    struct resil__span span = {text, size};
    struct totals totals = {0};

    if (list == NULL)
        return resil__check_fail(where, "list", "must not be NULL");
    *list = (struct resil_endpoint_list){0};
    if (text == NULL && size > 0)
        return resil__check_fail(where, "text", "must not be NULL");
    if (allocator == NULL)
        allocator = resil_allocator_default();
    if (allocator->size != sizeof *allocator)
        return RESIL_EABI;
    if (size > RESIL_ENDPOINTS_SIZE_MAX)
        return resil__check_required(where, "size", size, 0, RESIL_ENDPOINTS_SIZE_MAX);
    if (count(span, &totals, where) != RESIL_OK)
        return RESIL_EINVAL;
    if (totals.endpoints == 0)
        return RESIL_OK;
    return make(span, &totals, allocator, list, where);
}

void resil_endpoints_fini(struct resil_endpoint_list *list)
{
    if (list == NULL)
        return;
    if (list->memory_ != NULL)
        list->allocator_->release(list->allocator_->arg, list->memory_, list->bytes_);
    *list = (struct resil_endpoint_list){0};
}
