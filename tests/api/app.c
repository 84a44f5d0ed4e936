/* SPDX-License-Identifier: BSD-2-Clause */

/* A user's program, as small as can be: one call through a chain of one policy. */
#include <stdio.h>
#include <string.h>

#include <resil/resil.h>

static enum resil_outcome answer(void *arg, struct resil_attempt *attempt)
{
    *(uint64_t *)arg = attempt->deadline_ns;
    return RESIL_SUCCESS;
}

int main(void)
{
    struct resil_timeout timeout;
    struct resil_timeout_config config = {RESIL_SEC(60)};
    struct resil_policy policy;
    struct resil_chain chain;
    char why[100] = "";
    uint64_t deadline_ns = 0;

    if (strcmp(resil_version(), RESIL_VERSION) != 0)
        return 1;
    if (resil_timeout_init(&timeout, &config) != RESIL_OK)
        return 2;
    policy = resil_timeout_policy(&timeout);
    if (resil_chain_init(&chain, &policy, 1, why, sizeof why) != RESIL_OK)
        return 3;
    if (resil_chain_run(&chain, resil_env_posix(), NULL, answer, &deadline_ns, NULL) != RESIL_OK)
        return 4;
    if (deadline_ns <= resil_now_ns())
        return 5;
    puts(resil_version());
    return 0;
}
