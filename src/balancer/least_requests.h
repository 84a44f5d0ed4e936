/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_LEAST_REQUESTS_H
#define RESIL_BALANCER_LEAST_REQUESTS_H

#include <resil/picker.h>

/** The pick of least_requests, for pickers that fall back on it. */
uint32_t resil__least_requests(const struct resil_pool *pool, struct resil_pick_context *context);

#endif
