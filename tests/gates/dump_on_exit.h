/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_DUMP_ON_EXIT_H
#define RESIL_DUMP_ON_EXIT_H

/*
 * For coverage builds, by -include: a forked child that leaves by _exit writes down which lines it
 * ran. Named before <unistd.h> comes in, so that its declaration is renamed with the calls. Where
 * calls of the system are being refused (tests/faults/refuse.h), that ends first.
 */

#define _exit resil_dump_and_exit

__attribute__((noreturn)) void resil_dump_and_exit(int status);
__attribute__((noreturn)) extern void _Exit(int status);
extern void __gcov_dump(void);
extern void refuse_arm(_Bool on) __attribute__((weak));

__attribute__((weak, noreturn)) void resil_dump_and_exit(int status)
{
    if (refuse_arm)
        refuse_arm(0);
    __gcov_dump();
    _Exit(status);
}

#endif
