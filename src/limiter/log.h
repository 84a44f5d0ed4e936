/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_LIMITER_LOG_H
#define RESIL_LIMITER_LOG_H

/* What log.c and the policy adapter share. */

#include <resil/log.h>
#include <resil/status.h>

/** The whole of acquire; place and stamp are the receipt. */
int resil__log_take(struct resil_log *log, uint64_t now_ns, uint64_t *place, uint64_t *stamp,
                    uint64_t *retry_at_ns);

/** Strikes out what take noted, if it is the last: RESIL_OK or RESIL_ELATE. */
int resil__log_give_back(struct resil_log *log, uint64_t place, uint64_t stamp);

#endif
