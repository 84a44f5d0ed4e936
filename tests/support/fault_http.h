/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_FAULT_HTTP_H
#define RESIL_FAULT_HTTP_H

/* The little HTTP that the fault server speaks: pure functions over bytes. */

#include "fault_server.h"

/** The head of a request. */
struct fault_head {
    size_t size;      /* bytes of the head, the empty line included; 0 = not complete yet */
    uint64_t body;    /* bytes that follow it */
    bool keep;        /* the connection stays open afterwards */
    uint32_t refusal; /* 0, or the status to refuse it with */
    bool has_fault;   /* the path asks for a fault */
    struct fault fault;
};

/** Reads the head of a request from the start of a buffer. */
struct fault_head fault_http_parse(const char *text, size_t size);

/**
 * Writes the answer that a fault calls for (ANSWER, STATUS or PARTIAL).
 *
 * @return bytes written; a buffer of FAULT_ANSWER_MAX bytes is always enough.
 */
size_t fault_http_answer(char *text, size_t size, const struct fault *fault, bool keep);

#define FAULT_ANSWER_MAX 512

#endif
