/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PLATFORM_RSEQ_H
#define RESIL_PLATFORM_RSEQ_H

/*
 * Restartable sequences (Paul Turner, Andrew Hunter and Mathieu Desnoyers; Linux 4.18): a few
 * instructions on a word of the processor's own that end with one write. A thread that is moved,
 * interrupted by another or by a signal, or told to by a fence (membarrier) before that write, goes
 * on at the end of them instead, and has changed nothing. So the write needs no lock. On x86-64,
 * in the area that the C library registers for each thread.
 *
 * The kernel knows a sequence by a descriptor that the thread's area points to. It is taken out of
 * there at the end: it lies in the library, which may be unloaded.
 *
 * platform/owners.h says who may write where. Sanitizers don't see what assembly writes, so none
 * under them.
 */

#include "base/compiler.h"
#include "platform/cpu.h"

#if defined(__has_feature)
#define RESIL__RSEQ_BLIND (__has_feature(memory_sanitizer))
#else
#define RESIL__RSEQ_BLIND 0
#endif

/* Where a test has a cpu.h of its own, it has none of this. */
#if defined(RESIL__CPU_RSEQ) && defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) &&           \
    !defined(__SANITIZE_THREAD__) && !RESIL__RSEQ_BLIND
#define RESIL__RSEQ RESIL__CPU_RSEQ
#else
#define RESIL__RSEQ 0
#endif

#if RESIL__RSEQ

/** What a sequence came to. */
enum resil__rseq {
    RESIL__RSEQ_DONE,
    RESIL__RSEQ_DIFFERS, /* the word has another value */
    RESIL__RSEQ_LEFT     /* on another processor, or sent away from this one meanwhile */
};

/** Lets this process use what follows; any number of times. False: there are no areas, or the kernel
    has no such fence or forbids it. In rseq.c. */
bool resil__rseq_register(void);

/** No sequence of any thread of this process that began before goes on after; what they wrote can be
    seen. False: refused. Leaves errno alone. In rseq.c. */
bool resil__rseq_fence(void);

/* %[at] is where the number of the processor is; the pointer to the descriptor follows it. From 1
   to before 2 the kernel sends the thread to 5, in front of which stands what the C library
   registered with, as a part of an instruction that is none. */
#define RESIL__RSEQ_BEGIN                                                                          \
    ".pushsection __rseq_cs, \"aw\"\n"                                                             \
    ".balign 32\n"                                                                                 \
    "4: .long 0, 0\n"                                                                              \
    ".quad 1f, 2f - 1f, 5f\n"                                                                      \
    ".popsection\n"                                                                                \
    "leaq 4b(%%rip), %%rax\n"                                                                      \
    "movq %%rax, %%fs:%c[cs](%[at])\n"                                                             \
    "1:\n"
#define RESIL__RSEQ_END                                                                            \
    "2: movq $0, %%fs:%c[cs](%[at])\n"                                                             \
    ".pushsection __rseq_failure, \"ax\"\n"                                                        \
    ".byte 0x0f, 0xb9, 0x3d\n"                                                                     \
    ".long %c[signature]\n"                                                                        \
    "5: jmp %l[left]\n"                                                                            \
    ".popsection\n"
#define RESIL__RSEQ_WITH(area)                                                                     \
    [at] "r"(area),                                                                                \
        [cs] "i"((int)offsetof(struct rseq, rseq_cs) - (int)offsetof(struct rseq, cpu_id)),        \
        [signature] "i"(RSEQ_SIG)

/* Of who left before the end. */
static inline void resil__rseq_forget(ptrdiff_t area)
{
    __asm__ volatile("movq $0, %%fs:%c[cs](%[at])" : : RESIL__RSEQ_WITH(area) : "memory");
}

/** Where in a word resil__rseq_take finds what it takes from. */
#define RESIL__RSEQ_COUNT 0x7fffffff

/**
 * Takes count from the lower 31 bits of this processor's word, with a plain write of what it was less
 * that.
 *
 * @param lines    the words of all processors up to *last, 64 bytes from one to the next.
 * @param barred   nothing is taken unless this word is 0.
 * @return whether it was taken. resil__rseq_register has succeeded once.
 */
RESIL__INLINE bool resil__rseq_take(uint64_t *lines, const uint32_t *last, const uint64_t *barred,
                                    uint64_t count)
{
    ptrdiff_t area = resil__cpu_at;

    /* In front of the lines the object begins, which is in a register already. */
    __asm__ goto(RESIL__RSEQ_BEGIN "cmpq $0, %[barred]\n"
                                   "jne %l[left]\n"
                                   "movl %%fs:(%[at]), %%eax\n"
                                   "cmpl %[last], %%eax\n"
                                   "ja %l[left]\n"
                                   "shlq $6, %%rax\n"
                                   "movq 64(%[before], %%rax), %%rdx\n"
                                   "movl %%edx, %%ecx\n"
                                   "andl $%c[bits], %%ecx\n"
                                   "cmpq %[count], %%rcx\n"
                                   "jb %l[left]\n"
                                   "subq %[count], %%rdx\n"
                                   "movq %%rdx, 64(%[before], %%rax)\n" RESIL__RSEQ_END
                 :
                 : RESIL__RSEQ_WITH(area), [before] "r"((uintptr_t)lines - 64), [last] "m"(*last),
                   [barred] "m"(*barred), [count] "r"(count), [bits] "i"(RESIL__RSEQ_COUNT)
                 : "rax", "rcx", "rdx", "memory", "cc"
                 : left);
    return true;
left:
    resil__rseq_forget(area);
    return false;
}

/**
 * Compares and swaps this processor's word: a locked operation, for others write there too, that
 * takes place on this processor or not at all.
 *
 * @param cpu  whose word it is.
 */
static inline enum resil__rseq resil__rseq_swap(uint64_t *word, uint32_t cpu, uint64_t expected,
                                                uint64_t desired)
{
    ptrdiff_t area = resil__cpu_at;

    __asm__ goto(RESIL__RSEQ_BEGIN "cmpl %[cpu], %%fs:(%[at])\n"
                                   "jne %l[left]\n"
                                   "movq %[expected], %%rax\n"
                                   "lock cmpxchgq %[desired], %[word]\n" RESIL__RSEQ_END
                                   "jne %l[differs]\n"
                 :
                 : RESIL__RSEQ_WITH(area), [word] "m"(*word), [cpu] "r"(cpu),
                   [expected] "r"(expected), [desired] "r"(desired)
                 : "rax", "memory", "cc"
                 : left, differs);
    return RESIL__RSEQ_DONE;
differs:
    return RESIL__RSEQ_DIFFERS;
left:
    resil__rseq_forget(area);
    return RESIL__RSEQ_LEFT;
}

#endif

#endif
