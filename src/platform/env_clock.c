/* SPDX-License-Identifier: BSD-2-Clause */

/* Which clock an environment reads: it is told by its function. */
#define _GNU_SOURCE
#include "platform/env.h"

enum resil_clock resil_env_clock(const struct resil_env *env)
{
    if (env == NULL)
        return RESIL_CLOCK_OTHER;
    if (env->now == resil__posix_now)
        return RESIL_CLOCK_POSIX;
#ifdef RESIL__HAS_COARSE
    if (env->now == resil__coarse_now)
        return RESIL_CLOCK_COARSE;
#endif
#ifdef RESIL__HAS_TSC
    if (env->now == resil__tsc_env_now)
        return resil__tsc_env_runs() ? RESIL_CLOCK_TSC : RESIL_CLOCK_POSIX;
#endif
    return RESIL_CLOCK_OTHER;
}

const char *resil_env_clock_str(enum resil_clock clock)
{
    switch (clock) {
    case RESIL_CLOCK_OTHER:
        return "other";
    case RESIL_CLOCK_POSIX:
        return "posix";
    case RESIL_CLOCK_COARSE:
        return "coarse";
    case RESIL_CLOCK_TSC:
        return "tsc";
    default:
        return "unknown";
    }
}
