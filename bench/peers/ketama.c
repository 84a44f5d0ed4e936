/* SPDX-License-Identifier: BSD-2-Clause */

/* libmemcached: which of 8 servers has this key of 16 characters, by its ketama ring. A handle
   belongs to one thread. */
#include <libmemcached/memcached.h>
#include <stdlib.h>
#include <string.h>

#include "peers.h"

#define HOSTS 8

static memcached_st **handles;
static uint32_t handles_count;

void ketama_teardown(void)
{
    for (uint32_t i = 0; i < handles_count; i++)
        memcached_free(handles[i]);
    free(handles);
    handles = NULL;
    handles_count = 0;
}

static memcached_st *create(void)
{
    memcached_st *handle = memcached_create(NULL);
    memcached_return_t rc;

    if (handle == NULL)
        return NULL;
    rc = memcached_behavior_set(handle, MEMCACHED_BEHAVIOR_KETAMA, 1);
    for (int i = 1; i <= HOSTS && rc == MEMCACHED_SUCCESS; i++) {
        char name[] = "10.0.0.0";

        name[sizeof name - 2] = (char)('0' + i);
        rc = memcached_server_add(handle, name, 11211);
    }
    if (rc == MEMCACHED_SUCCESS)
        return handle;
    memcached_free(handle);
    return NULL;
}

int ketama_setup(uint32_t threads)
{
    handles = calloc(threads, sizeof(memcached_st *));
    if (handles == NULL)
        return -1;
    for (; handles_count < threads; handles_count++) {
        handles[handles_count] = create();
        if (handles[handles_count] == NULL) {
            ketama_teardown();
            return -1;
        }
    }
    return 0;
}

/* Besides, no server may be left out by 1000 keys. */
uint64_t ketama_run(uint64_t iterations, uint32_t thread)
{
    const memcached_st *handle = handles[thread];
    char key[16] = "session:";
    uint32_t seen = 0;

    for (uint64_t i = 0; i < iterations; i++) {
        uint64_t session = ((uint64_t)thread << 32) + i;

        memcpy(key + 8, &session, sizeof session);
        seen |= UINT32_C(1) << memcached_generate_hash(handle, key, sizeof key);
    }
    return iterations >= 1000 && seen != (1U << HOSTS) - 1;
}
