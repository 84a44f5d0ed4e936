/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BASE_CONTEND_H
#define RESIL_BASE_CONTEND_H

/*
 * Exponential back-off of a compare-and-swap loop under contention: the wrapper around ck_backoff.
 *
 *     struct resil__contend contend = RESIL__CONTEND;
 *     while (!resil__cas(word, &old, next(old)))
 *         resil__contend(&contend);
 *
 * The first failure costs about ten cycles, each further one twice as much, at most about 1,000: a
 * failed swap means that another made progress, so the loop stays lock-free.
 */

#include <ck_backoff.h>

struct resil__contend {
    ck_backoff_t spins;
};

#define RESIL__CONTEND                                                                             \
    (struct resil__contend)                                                                        \
    {                                                                                              \
        .spins = 8                                                                                 \
    }

static inline void resil__contend(struct resil__contend *contend)
{
    ck_backoff_eb(&contend->spins);
    if (contend->spins > 1024)
        contend->spins = 1024;
}

#endif
