/* SPDX-License-Identifier: BSD-2-Clause */

/* sanitizer_control NAME: does what that sanitizer is there to find. A run that ends well means that
   it isn't looking. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static volatile int sink;
static int raced;

static void *race(void *arg)
{
    for (int i = 0; i < 100000; i++)
        raced++;
    return arg;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    int *volatile memory = malloc(4 * sizeof(int));
    volatile int largest = INT32_MAX;
    volatile uint64_t wide = UINT64_C(1) << 40;
    volatile uint32_t narrow;

    if (memory == NULL)
        return 0;
    if (strcmp(name, "address") == 0) {
        sink = memory[argc + 2];
    } else if (strcmp(name, "undefined") == 0) {
        sink = largest + argc;
    } else if (strcmp(name, "memory") == 0) {
        if (memory[argc] > 0)
            sink = 1;
    } else if (strcmp(name, "implicit-conversion") == 0) {
#pragma GCC diagnostic ignored "-Wconversion"
        narrow = wide;
        sink = narrow != 0;
    } else if (strcmp(name, "thread") == 0) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, race, NULL) == 0) {
            (void)race(NULL);
            (void)pthread_join(thread, NULL);
        }
        sink = raced;
    }
    free(memory);
    return 0;
}
