/* SPDX-License-Identifier: BSD-2-Clause */

/* A user's program, as small as can be: what it is compiled with is what it runs with. */
#include <stdio.h>
#include <string.h>

#include <resil/resil.h>

int main(void)
{
    const struct resil_env *env = resil_env_posix();
    uint64_t now_ns = resil_now_ns();

    if (strcmp(resil_version(), RESIL_VERSION) != 0 || now_ns == 0 || env->now(env->arg) < now_ns)
        return 1;
    puts(resil_version());
    return 0;
}
