/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_VIRTUAL_ENV_H
#define RESIL_TEST_VIRTUAL_ENV_H

/* An environment in which time passes only when it is told to: waiting jumps to the end of the
   wait. */

#include <resil/env.h>

struct virtual_env {
    struct resil_env env;
    uint64_t now_ns;
    uint64_t random;       /* what random returns */
    unsigned now_calls;    /* readings of the clock */
    unsigned waits;        /* calls of wait */
    uint64_t last_wait_ns; /* until when the last one would have lasted */
    bool stuck;            /* waiting doesn't move the clock */
    void (*during_wait)(struct virtual_env *self, uint32_t *word); /* NULL = nothing happens */
    void *user;
};

static inline uint64_t virtual_now(void *arg)
{
    struct virtual_env *self = (struct virtual_env *)arg;

    self->now_calls++;
    return self->now_ns;
}

static inline uint64_t virtual_random(void *arg)
{
    return ((struct virtual_env *)arg)->random;
}

static inline void virtual_wait(void *arg, uint32_t *word, uint32_t expected, uint64_t until_ns)
{
    struct virtual_env *self = (struct virtual_env *)arg;

    self->waits++;
    self->last_wait_ns = until_ns;
    if (self->during_wait != NULL)
        self->during_wait(self, word);
    if (*word == expected && !self->stuck && until_ns > self->now_ns && until_ns != RESIL_NEVER)
        self->now_ns = until_ns;
}

static inline void virtual_wake(void *arg, uint32_t *word)
{
    (void)arg;
    (void)word;
}

static inline void virtual_env_init(struct virtual_env *self, uint64_t now_ns)
{
    *self = (struct virtual_env){
        .env = {.size = sizeof(struct resil_env),
                .arg = self,
                .now = virtual_now,
                .random = virtual_random,
                .wait = virtual_wait,
                .wake = virtual_wake},
        .now_ns = now_ns,
        .random = 1,
    };
}

#endif
