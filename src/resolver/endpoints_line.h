/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_RESOLVER_ENDPOINTS_LINE_H
#define RESIL_RESOLVER_ENDPOINTS_LINE_H

/* One line of a list of endpoints: pure, the words stay where they are. */

#include <resil/common.h>

#include "base/check.h"

/** Part of a text. */
struct resil__span {
    const char *at; /* NULL = not there */
    size_t size;
};

/** What a line says. */
struct resil__line {
    struct resil__span address; /* not there: no endpoint on this line */
    struct resil__span zone;
    struct resil__span version;
    struct resil__span words; /* the line after the address, comment and all: where the tags are */
    uint64_t weight;
    uint64_t priority;
    size_t tag_count;
    size_t bytes; /* of all the words that a list keeps, each with a 0 behind it */
};

/** Reads a line without its end. why receives "line 7: ...". */
int resil__line_parse(struct resil__span text, uint64_t number, struct resil__line *line,
                      struct resil__why why);

/** The next tag of a line that was parsed; not there: no more. Words loses what was passed. */
struct resil__span resil__line_tag(struct resil__span *words);

#endif
