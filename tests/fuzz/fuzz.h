/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_FUZZ_H
#define RESIL_TEST_FUZZ_H

/* What a fuzz target is: a function that looks at any bytes, and ends the process where a promise
   is broken. The name is libFuzzer's. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** An assertion that no build leaves out. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                  \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
