/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "fault_http.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A piece of the request; never NUL-terminated. */
struct span {
    const char *text;
    size_t size;
};

static bool span_is(struct span span, const char *word)
{
    return span.size == strlen(word) && strncasecmp(span.text, word, span.size) == 0;
}

/* Cuts a prefix off. */
static bool span_skip(struct span *span, const char *prefix)
{
    size_t size = strlen(prefix);

    if (span->size < size || memcmp(span->text, prefix, size) != 0)
        return false;
    span->text += size;
    span->size -= size;
    return true;
}

/* Cuts a decimal number of at most nine digits off. */
static bool span_number(struct span *span, uint32_t *number)
{
    size_t digits = 0;
    uint32_t value = 0;

    while (digits < span->size && isdigit((unsigned char)span->text[digits])) {
        if (digits == 9)
            return false;
        value = value * 10 + (uint32_t)(span->text[digits++] - '0');
    }
    span->text += digits;
    span->size -= digits;
    *number = value;
    return digits > 0;
}

static bool path_fault(struct span path, struct fault *fault)
{
    *fault = (struct fault){.kind = FAULT_ANSWER};
    if (span_skip(&path, "/delay/"))
        return span_number(&path, &fault->delay_ms) && path.size == 0;
    if (span_skip(&path, "/status/")) {
        fault->kind = FAULT_STATUS;
        if (!span_number(&path, &fault->status) || fault->status < 200 || fault->status > 599)
            return false;
        if (span_skip(&path, "/") && !span_number(&path, &fault->retry_after_s))
            return false;
        return path.size == 0;
    }
    if (span_is(path, "/hang"))
        fault->kind = FAULT_HANG;
    else if (span_is(path, "/reset"))
        fault->kind = FAULT_RESET;
    else if (span_is(path, "/half-close"))
        fault->kind = FAULT_HALF_CLOSE;
    else if (span_is(path, "/partial"))
        fault->kind = FAULT_PARTIAL;
    return fault->kind != FAULT_ANSWER;
}

/* METHOD SP target SP HTTP/1.x */
static bool read_request_line(struct span line, struct fault_head *head)
{
    const char *blank = memchr(line.text, ' ', line.size);
    struct span path;

    if (blank == NULL || blank == line.text)
        return false;
    path.text = blank + 1;
    path.size = line.size - (size_t)(path.text - line.text);
    blank = memchr(path.text, ' ', path.size);
    if (blank == NULL || *path.text != '/')
        return false;
    line.size -= (size_t)(blank + 1 - line.text);
    line.text = blank + 1;
    path.size = (size_t)(blank - path.text);
    if (!span_is(line, "HTTP/1.1") && !span_is(line, "HTTP/1.0"))
        return false;
    head->keep = span_is(line, "HTTP/1.1");
    head->has_fault = path_fault(path, &head->fault);
    return true;
}

static void read_field(struct span line, struct fault_head *head)
{
    const char *colon = memchr(line.text, ':', line.size);
    struct span name = {line.text, 0};
    struct span value;
    uint32_t number;

    if (colon == NULL) {
        head->refusal = 400;
        return;
    }
    name.size = (size_t)(colon - line.text);
    value.text = colon + 1;
    value.size = line.size - name.size - 1;
    while (span_skip(&value, " ") || span_skip(&value, "\t"))
        continue;
    while (value.size > 0 && isblank((unsigned char)value.text[value.size - 1]))
        value.size--;
    if (span_is(name, "Content-Length")) {
        if (span_number(&value, &number) && value.size == 0)
            head->body = number;
        else
            head->refusal = 400;
    } else if (span_is(name, "Transfer-Encoding")) {
        head->refusal = 411;
    } else if (span_is(name, "Connection") && span_is(value, "close")) {
        head->keep = false;
    }
}

struct fault_head fault_http_parse(const char *text, size_t size)
{
    struct fault_head head = {0};
    size_t start = 0;

    for (size_t i = 0; i + 1 < size; i++) {
        struct span line = {text + start, i - start};

        if (text[i] != '\r' || text[i + 1] != '\n')
            continue;
        if (start == 0 && !read_request_line(line, &head))
            head.refusal = 400;
        if (start != 0 && line.size != 0 && head.refusal == 0)
            read_field(line, &head);
        start = i + 2;
        if (line.size == 0) {
            head.size = start;
            break;
        }
    }
    return head;
}

static const char *reason(uint32_t status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 429:
        return "Too Many Requests";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        return "Status";
    }
}

size_t fault_http_answer(char *text, size_t size, const struct fault *fault, bool keep)
{
    uint32_t status = fault->kind == FAULT_STATUS ? fault->status : 200;
    const char *body = status < 300 ? "ok\n" : "sick\n";
    size_t promised = fault->kind == FAULT_PARTIAL ? 1000 : strlen(body);
    char after[40] = "";
    int length;

    if (fault->kind == FAULT_STATUS && fault->retry_after_s != 0)
        (void)snprintf(after, sizeof after, "Retry-After: %u\r\n", fault->retry_after_s);
    if (status == 204 || status == 304) { /* these have no body, and no length either */
        length = snprintf(text, size, "HTTP/1.1 %u %s\r\n%s%s\r\n", status, reason(status), after,
                          keep ? "" : "Connection: close\r\n");
    } else {
        length = snprintf(text, size,
                          "HTTP/1.1 %u %s\r\nContent-Type: text/plain\r\n"
                          "Content-Length: %zu\r\n%s%s\r\n%s",
                          status, reason(status), promised, after,
                          keep ? "" : "Connection: close\r\n", body);
    }
    return length < 0 ? 0 : (size_t)length;
}
