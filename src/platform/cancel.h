/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PLATFORM_CANCEL_H
#define RESIL_PLATFORM_CANCEL_H

/* What pthread_cancel may not end halfway, with a descriptor open or a list in hand: a thread that
   is cancelled meanwhile finds out at its next cancellation point behind it. */

#include <pthread.h>

/** Returns what resil__cancel_restore is to be given. */
static inline int resil__cancel_off(void)
{
    int before = 0;

#ifdef PTHREAD_CANCEL_DISABLE
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
#endif
    return before;
}

static inline void resil__cancel_restore(int before)
{
#ifdef PTHREAD_CANCEL_DISABLE
    (void)pthread_setcancelstate(before, &before);
#else
    (void)before;
#endif
}

#endif
