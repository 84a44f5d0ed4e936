/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_RENDEZVOUS_H
#define RESIL_BALANCER_RENDEZVOUS_H

#include <resil/picker.h>

/** The candidate with which this key has its rendezvous; RESIL_PICK_NONE when all are excluded. */
uint32_t resil__rendezvous(const struct resil_pool *pool, const struct resil_pick_context *context,
                           uint64_t key);

#endif
