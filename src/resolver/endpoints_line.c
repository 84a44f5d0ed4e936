/* SPDX-License-Identifier: BSD-2-Clause */
#include "resolver/endpoints_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <resil/endpoint.h>
#include <resil/endpoints.h>
#include <resil/status.h>

enum key {
    KEY_WEIGHT,
    KEY_PRIORITY,
    KEY_ZONE,
    KEY_VERSION,
    KEY_TAG,
    KEYS
};

static const char *const key_names[KEYS] = {"weight", "priority", "zone", "version", "tag"};

/* How much of a word an error shows. */
#define SHOWN_MAX 48

static int fail(struct resil__why why, uint64_t number, struct resil__span word, const char *what)
{
    char shown[SHOWN_MAX + 4];
    size_t size = word.size <= SHOWN_MAX ? word.size : SHOWN_MAX;

    if (why.text == NULL || why.size == 0)
        return RESIL_EINVAL;
    for (size_t i = 0; i < size; i++)
        shown[i] = word.at[i] > ' ' && word.at[i] <= '~' ? word.at[i] : '?';
    (void)snprintf(shown + size, sizeof shown - size, "%s", word.size > size ? "..." : "");
    (void)snprintf(why.text, why.size, "line %" PRIu64 ": %s%s%s", number, shown,
                   word.size > 0 ? ": " : "", what);
    return RESIL_EINVAL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The next word; not there at the end of the line or at a comment. */
static struct resil__span next_word(struct resil__span *rest)
{
    struct resil__span word = {NULL, 0};

    while (rest->size > 0 && is_blank(*rest->at)) {
        rest->at++;
        rest->size--;
    }
    if (rest->size == 0 || *rest->at == '#')
        return word;
    word.at = rest->at;
    while (rest->size > 0 && !is_blank(*rest->at)) {
        rest->at++;
        rest->size--;
        word.size++;
    }
    return word;
}

/* The key of a word, KEYS for none, and what stands behind its '='. */
static enum key key_of(struct resil__span word, struct resil__span *value)
{
    const char *equals = memchr(word.at, '=', word.size);
    size_t size;

    *value = (struct resil__span){NULL, 0};
    if (equals == NULL)
        return KEYS;
    size = (size_t)(equals - word.at);
    *value = (struct resil__span){equals + 1, word.size - size - 1};
    for (enum key key = KEY_WEIGHT; key < KEYS; key++)
        if (strlen(key_names[key]) == size && memcmp(key_names[key], word.at, size) == 0)
            return key;
    return KEYS;
}

/* Decimal digits and nothing else. */
static bool number_of(struct resil__span value, uint64_t max, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return false;
        *number = *number * 10 + (uint64_t)(value.at[i] - '0');
        if (*number > max)
            return false;
    }
    return true;
}

static int check_bytes(struct resil__span text, uint64_t number, struct resil__why why)
{
    const struct resil__span none = {NULL, 0};

    if (text.size > RESIL_ENDPOINTS_LINE_MAX)
        return fail(why, number, none, "longer than 4096 bytes");
    if (number == 1 && text.size >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0)
        return fail(why, number, none, "begins with a byte order mark");
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.at[i];

        if (c == 0)
            return fail(why, number, none, "has a NUL byte");
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return fail(why, number, none, "has a control character");
    }
    return RESIL_OK;
}

/* One key=value word. seen: a bit for each key that stood before. */
static int take(struct resil__line *line, struct resil__span word, unsigned *seen, uint64_t number,
                struct resil__why why)
{
    struct resil__span value;
    enum key key = key_of(word, &value);

    if (value.at == NULL)
        return fail(why, number, word, "must be key=value");
    if (key == KEYS)
        return fail(why, number, word,
                    "unknown key: must be weight, priority, zone, version or tag");
    if (value.size == 0)
        return fail(why, number, word, "has no value");
    if (key != KEY_TAG && (*seen & 1u << key) != 0)
        return fail(why, number, word, "stands twice on this line");
    *seen |= 1u << key;
    if (key == KEY_WEIGHT)
        return number_of(value, RESIL_WEIGHT_MAX, &line->weight)
                   ? RESIL_OK
                   : fail(why, number, word, "must be 0 to 65535");
    if (key == KEY_PRIORITY)
        return number_of(value, RESIL_PRIORITIES - 1, &line->priority)
                   ? RESIL_OK
                   : fail(why, number, word, "must be 0 to 15");
    line->bytes += value.size + 1;
    if (key == KEY_ZONE)
        line->zone = value;
    else if (key == KEY_VERSION)
        line->version = value;
    else
        line->tag_count++;
    return RESIL_OK;
}

int resil__line_parse(struct resil__span text, uint64_t number, struct resil__line *line,
                      struct resil__why why)
{
    struct resil__span rest, word, value;
    unsigned seen = 0;

    *line = (struct resil__line){.weight = 1};
    if (text.size > 0 && text.at[text.size - 1] == '\r')
        text.size--;
    if (check_bytes(text, number, why) != RESIL_OK)
        return RESIL_EINVAL;
    rest = text;
    word = next_word(&rest);
    if (word.at == NULL)
        return RESIL_OK;
    if (key_of(word, &value) != KEYS)
        return fail(why, number, word, "an address must come first");
    line->address = word;
    line->words = rest;
    line->bytes = word.size + 1;
    while ((word = next_word(&rest)).at != NULL)
        if (take(line, word, &seen, number, why) != RESIL_OK)
            return RESIL_EINVAL;
    return RESIL_OK;
}

struct resil__span resil__line_tag(struct resil__span *words)
{
    struct resil__span word, value = {NULL, 0};

    do
        word = next_word(words);
    while (word.at != NULL && key_of(word, &value) != KEY_TAG);
    return word.at != NULL ? value : word;
}
