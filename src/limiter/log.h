/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_LIMITER_LOG_H
#define RESIL_LIMITER_LOG_H

/* What log.c and the policy adapter share. */

#include <resil/log.h>
#include <resil/status.h>

/** What take leaves and give_back wants. */
struct resil__log_receipt {
    uint64_t place; /* as a cursor */
    uint64_t stamp;
    uint64_t before; /* the stamp that it replaced */
};

/** The whole of acquire. */
int resil__log_take(struct resil_log *log, uint64_t now_ns, struct resil__log_receipt *receipt,
                    uint64_t *retry_at_ns);

/** Strikes out what take noted, if it is the last: RESIL_OK or RESIL_ELATE. */
int resil__log_give_back(struct resil_log *log, const struct resil__log_receipt *receipt);

#endif
