/* SPDX-License-Identifier: BSD-2-Clause */
#include "platform/owners.h"

#include <unistd.h>

#if RESIL__RSEQ

/* More processors may come, or be kept from us as yet: their numbers fit no stripe, and
   resil__owners_stripe finds out. */
uint64_t resil__owners_init(uint32_t last)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    return cpus > 0 && cpus - 1 <= (long)last && resil__rseq_register() ? 0 : RESIL__OWNERS_NONE;
}

RESIL__COLD void resil__owners_end(uint64_t *barred)
{
    uint64_t held;

    if (resil__owners_hold(barred, &held)) {
        (void)resil__or(barred, RESIL__OWNERS_NONE);
        resil__owners_release(barred, held);
    }
}

#endif
