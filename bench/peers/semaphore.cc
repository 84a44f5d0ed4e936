// SPDX-License-Identifier: BSD-2-Clause

// std::counting_semaphore with room to spare: in and out, never waiting.
#include "peers.h"

#include <new>
#include <semaphore>

namespace
{
using Semaphore = std::counting_semaphore<65536>;

alignas(128) unsigned char storage[128];

Semaphore *semaphore()
{
    return std::launder(reinterpret_cast<Semaphore *>(storage));
}
} // namespace

void semaphore_setup(uint32_t threads)
{
    static_assert(sizeof(Semaphore) <= sizeof storage);
    new (storage) Semaphore(100 + static_cast<std::ptrdiff_t>(threads));
}

uint64_t semaphore_run(uint64_t iterations)
{
    Semaphore *shared = semaphore();
    uint64_t refused = 0;

    for (uint64_t i = 0; i < iterations; i++) {
        if (shared->try_acquire())
            shared->release();
        else
            refused++;
    }
    return refused;
}
