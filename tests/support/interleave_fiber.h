/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_INTERLEAVE_FIBER_H
#define RESIL_INTERLEAVE_FIBER_H

/*
 * A part of interleave.h: from one stack to another. ucontext keeps the signal mask, which is a
 * system call a switch and half of a search's time; on x86-64 the registers that a call preserves
 * are all that has to be kept. Sanitizers know ucontext alone.
 */

#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__)
#define INTERLEAVE_UCONTEXT 1
#elif defined(__has_feature)
#define INTERLEAVE_UCONTEXT (__has_feature(address_sanitizer) || __has_feature(memory_sanitizer))
#else
#define INTERLEAVE_UCONTEXT 0
#endif

#if defined(__x86_64__) && !INTERLEAVE_UCONTEXT

struct interleave_context {
    uint64_t *top; /* of a stack that isn't in use */
};

/** Goes on at to, and comes back when somebody jumps to from. */
__attribute__((visibility("hidden"))) void interleave_jump(struct interleave_context *from,
                                                           const struct interleave_context *to);

__asm__(".text\n"
        ".p2align 4\n"
        ".type interleave_jump, @function\n"
        "interleave_jump:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq (%rsi), %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size interleave_jump, . - interleave_jump\n");

/** Makes a context that begins with entry, which never returns. */
static void interleave_prepare(struct interleave_context *context, char *stack, size_t size,
                               void (*entry)(void))
{
    /* Six registers, where to go on, and where that came from: nowhere. */
    uint64_t *top = (uint64_t *)(void *)(stack + size) - 8;

    for (int i = 0; i < 8; i++)
        top[i] = 0;
    top[6] = (uint64_t)(uintptr_t)entry;
    context->top = top;
}

#else

#include <ucontext.h>

struct interleave_context {
    ucontext_t context;
};

static void interleave_jump(struct interleave_context *from, const struct interleave_context *to)
{
    (void)swapcontext(&from->context, &to->context);
}

static void interleave_prepare(struct interleave_context *context, char *stack, size_t size,
                               void (*entry)(void))
{
    (void)getcontext(&context->context);
    context->context.uc_stack.ss_sp = stack;
    context->context.uc_stack.ss_size = size;
    makecontext(&context->context, entry, 0);
}

#endif

#endif
