/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_BOUNDED_LOAD_H
#define RESIL_BALANCER_BOUNDED_LOAD_H

#include "balancer/pool.h"

/** Gives back what a pick of bounded load has claimed, when it is reported: the endpoint's first,
    so that the pool never counts less than its endpoints do. stripe: of whatever thread reports. */
static inline void resil__bounded_release(struct resil__turns *turns, uint32_t stripe,
                                          struct resil_load *load)
{
    (void)resil__sub(&load->in_flight_, 1);
    (void)resil__sub(&turns->stripes[stripe].in_flight, 1);
}

#endif
