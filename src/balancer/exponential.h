/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_EXPONENTIAL_H
#define RESIL_BALANCER_EXPONENTIAL_H

#include <stdint.h>

/**
 * -ln(1 - x / 2^64) in units of 2^-58: for a uniform x an exponential waiting time. In integers
 * alone, so that every machine comes to the same. At most 2 units below the true value rounded down,
 * never above it, and never below x / 2^64.
 */
uint64_t resil__exponential(uint64_t x);

#endif
