/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_SCRIPT_H
#define RESIL_TEST_SCRIPT_H

/*
 * A chain of policies that do what a script says and write down that they were asked: the log of a
 * call reads like "admit0 admit1 call settle1 settle0".
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <resil/call.h>
#include <resil/chain.h>

#define SCRIPT_STEPS 8

struct script_log {
    char text[2048];
    size_t used;
};

/** One policy. The n-th call of an op answers the n-th verdict; past the end PASS. */
struct script_policy {
    struct resil_policy_ops ops;
    struct script_log *log;
    unsigned level;
    int admit[SCRIPT_STEPS], resume[SCRIPT_STEPS], settle[SCRIPT_STEPS], timer[SCRIPT_STEPS];
    unsigned admits, resumes, settles, timers, abandons;
    uint64_t wait_ns;             /* WAIT and AGAIN: from now */
    uint64_t arm_ns;              /* ARMED: from now */
    enum resil_outcome put;       /* ANSWER and CHANGED: the result */
    enum resil_outcome abandoned; /* what the last abandon was told */
    enum resil_outcome settled;   /* what the last settle was told */
    int held;                     /* entered (waiting too) less settled, refused and abandoned */
};

static inline void script_note(struct script_log *log, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline void script_note(struct script_log *log, const char *format, ...)
{
    va_list args;
    int wrote;

    if (log->used > 0 && log->used + 1 < sizeof log->text)
        log->text[log->used++] = ' ';
    va_start(args, format);
    wrote = vsnprintf(log->text + log->used, sizeof log->text - log->used, format, args);
    va_end(args);
    if (wrote > 0)
        log->used += (size_t)wrote;
}

static inline int script_verdict(const int *verdicts, unsigned *asked)
{
    unsigned n = (*asked)++;

    return n < SCRIPT_STEPS ? verdicts[n] : RESIL_PASS;
}

static inline int script_enter(struct script_policy *self, uint64_t *frame, struct resil_walk *walk,
                               int verdict)
{
    if (verdict == RESIL_WAIT)
        walk->wake_ns = walk->now_ns + self->wait_ns;
    if (verdict == RESIL_ARMED)
        frame[0] = walk->now_ns + self->arm_ns;
    if (verdict == RESIL_ANSWER)
        walk->result = (struct resil_result){.outcome = self->put};
    return verdict;
}

static inline int script_admit(void *arg, uint64_t *frame, struct resil_walk *walk)
{
    struct script_policy *self = (struct script_policy *)arg;

    int verdict = script_verdict(self->admit, &self->admits);

    script_note(self->log, "admit%u", self->level);
    if (verdict == RESIL_PASS || verdict == RESIL_ARMED || verdict == RESIL_WAIT)
        self->held++;
    return script_enter(self, frame, walk, verdict);
}

static inline int script_resume(void *arg, uint64_t *frame, struct resil_walk *walk)
{
    struct script_policy *self = (struct script_policy *)arg;

    int verdict = script_verdict(self->resume, &self->resumes);

    script_note(self->log, "resume%u", self->level);
    if (verdict < 0 || verdict == RESIL_ANSWER)
        self->held--;
    return script_enter(self, frame, walk, verdict);
}

static inline int script_settle(void *arg, uint64_t *frame, struct resil_walk *walk)
{
    struct script_policy *self = (struct script_policy *)arg;
    int verdict = script_verdict(self->settle, &self->settles);

    (void)frame;
    script_note(self->log, "settle%u", self->level);
    self->settled = walk->result.outcome;
    if (verdict == RESIL_AGAIN)
        walk->wake_ns = walk->now_ns + self->wait_ns;
    else
        self->held--;
    if (verdict == RESIL_CHANGED)
        walk->result = (struct resil_result){.outcome = self->put};
    return verdict;
}

static inline int script_abandon(void *arg, uint64_t *frame, struct resil_walk *walk)
{
    struct script_policy *self = (struct script_policy *)arg;

    (void)frame;
    script_note(self->log, "abandon%u", self->level);
    self->abandons++;
    self->abandoned = walk->result.outcome;
    self->held--;
    return RESIL_PASS;
}

static inline int script_timer(void *arg, uint64_t *frame, struct resil_walk *walk)
{
    struct script_policy *self = (struct script_policy *)arg;
    int verdict = script_verdict(self->timer, &self->timers);

    script_note(self->log, "timer%u", self->level);
    frame[0] = verdict == RESIL_SPAWN ? walk->now_ns + self->arm_ns : RESIL_NEVER;
    return verdict;
}

/** Makes the policy at a level: everything passes until the script says otherwise. */
static inline void script_init(struct script_policy *self, struct script_log *log, unsigned level)
{
    *self = (struct script_policy){
        .ops = {.size = sizeof(struct resil_policy_ops),
                .name = "script",
                .flags = RESIL_ON_ALL,
                .frame_words = 1,
                .admit = script_admit,
                .resume = script_resume,
                .settle = script_settle,
                .abandon = script_abandon,
                .timer = script_timer},
        .log = log,
        .level = level,
    };
}

#endif
