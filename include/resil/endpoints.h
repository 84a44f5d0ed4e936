/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_ENDPOINTS_H
#define RESIL_ENDPOINTS_H

/*
 * A list of endpoints as text: text in, list out, or one line that says what is wrong. No file and
 * no clock: resil/file_resolver.h reads the file.
 *
 *     # the shop's backends
 *     10.0.0.1:8080
 *     10.0.0.2:8080 weight=2 zone=a
 *     10.0.0.3:8080 priority=1 zone=b version=v7 tag=canary tag=ssd
 *
 * One endpoint a line: its address, then words of key=value in any order, apart by spaces or tabs.
 *
 *     weight=     0 to 65535; without it, 1
 *     priority=   0 to 15; without it, 0
 *     zone=       any word
 *     version=    any word
 *     tag=        any word; the only key that may stand more than once
 *
 * A word that begins with '#' ends the line: a comment. Inside of a word '#' is a character like
 * any other, and so is '=' inside of a value. Empty lines, blanks at either end, CR LF and a last
 * line without an end are fine. Words are opaque bytes: UTF-8 and anything else passes, but for
 * control characters. An address that begins with one of the keys above ("weight=2") is refused: it
 * was forgotten. Whether an address may stand twice is up to who takes the list.
 *
 * It is strict, because a list that is half understood sends traffic to the wrong place: what isn't
 * described here is an error, and an error anywhere refuses the whole text.
 */

#include <resil/allocator.h>
#include <resil/common.h>
#include <resil/endpoint.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** The most that is read: bytes of text, lines, and bytes of one line without its end. */
#define RESIL_ENDPOINTS_SIZE_MAX  UINT64_C(16777216)
#define RESIL_ENDPOINTS_LINES_MAX UINT64_C(100000)
#define RESIL_ENDPOINTS_LINE_MAX  UINT64_C(4096)

/** A list in one piece of memory. All-zero is an empty one. The fields that end in _ are private. */
struct resil_endpoint_list {
    const struct resil_endpoint *endpoints; /* in the order of the lines; NULL when count is 0 */
    size_t count;
    const struct resil_allocator *allocator_;
    void *memory_;
    size_t bytes_;
};

/**
 * Makes a list from text.
 *
 * The errors: "line 7: weight=70000: must be 0 to 65535". Bytes of the text that don't print are
 * shown as '?'.
 *
 * @param text       may be NULL when size is 0. Need not end in 0.
 * @param size       bytes. Range: 0 to 16777216. 0 is an empty list.
 * @param allocator  NULL = resil_allocator_default(). Asked once, and not at all for an empty list.
 *                   A text needs at most 64 bytes a line and twice its own size.
 * @param list       receives the list; all-zero on failure.
 * @param why        receives one line on failure; untouched on success; may be NULL. 128 bytes hold
 *                   each of them.
 * @param why_size   bytes at why.
 * @return RESIL_OK; RESIL_EINVAL for a NULL list, a NULL text of some size, or a text that isn't a
 *         list; RESIL_EABI for an allocator of another size; RESIL_ENOMEM.
 *
 * Threads:   any, at any time.
 * Progress:  two passes over the text. Syscalls: none but the allocator's.
 * Signals:   async-signal-safe: no.
 * Ownership: the list owns copies of the words; text may go. It is given back with
 *            resil_endpoints_fini, and the allocator must live until then. On failure there is
 *            nothing to give back.
 * Since:     0.1
 */
RESIL_API int resil_endpoints_parse(const char *text, size_t size,
                                    const struct resil_allocator *allocator,
                                    struct resil_endpoint_list *list, char *why, size_t why_size);

/**
 * Gives a list back, and makes it an empty one.
 *
 * @param list  a list of resil_endpoints_parse, or all-zero; NULL does nothing.
 *
 * Threads:   nobody else may use the list.
 * Progress:  as the allocator's release. Syscalls: none but the allocator's.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API void resil_endpoints_fini(struct resil_endpoint_list *list);

RESIL_END_DECLS

#endif
