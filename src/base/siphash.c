/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/siphash.h"

struct resil__print resil__siphash(const uint64_t seed[2], const void *data, size_t size)
{
    return resil__sip_hash(seed, data, size, 1, 3);
}
