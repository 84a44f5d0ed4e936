/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "platform/rseq.h"

#if RESIL__RSEQ

#include <errno.h>
#include <unistd.h>
#include <sys/syscall.h>

/* As in linux/membarrier.h, which older systems lack. */
#define FENCE    (1 << 7) /* MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ */
#define REGISTER (1 << 8) /* MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ */

static bool membarrier_does(int command)
{
    int before = errno;
    bool done = syscall(SYS_membarrier, command, 0, 0) == 0;

    errno = before;
    return done;
}

bool resil__rseq_register(void)
{
    return resil__cpu_at != 0 && membarrier_does(REGISTER);
}

/* A process that was restored from an image may have to register again. */
bool resil__rseq_fence(void)
{
    return membarrier_does(FENCE) || (membarrier_does(REGISTER) && membarrier_does(FENCE));
}

#endif
