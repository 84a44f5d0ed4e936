/* SPDX-License-Identifier: BSD-2-Clause */
#include "platform/tsc.h"

/* Counter and clock are read together if the clock says that they took no longer than this, of so
   many tries. */
#define CLOSE_NS 250
#define TRIES    8

static struct resil__tsc_line load_line(const struct resil__tsc *tsc, uint64_t number)
{
    const struct resil__tsc_line *line = &tsc->slot[number & 1].line;

    return (struct resil__tsc_line){
        .from = resil__load_acquire(&line->from),
        .from_ns = resil__load_acquire(&line->from_ns),
        .rate = resil__load_acquire(&line->rate),
        .span = resil__load_acquire(&line->span),
        .floor_ns = resil__load_acquire(&line->floor_ns),
    };
}

static void store_line(struct resil__tsc *tsc, uint64_t number, const struct resil__tsc_line *from)
{
    struct resil__tsc_line *line = &tsc->slot[number & 1].line;

    resil__store_release(&line->from, from->from);
    resil__store_release(&line->from_ns, from->from_ns);
    resil__store_release(&line->rate, from->rate);
    resil__store_release(&line->span, from->span);
    resil__store_release(&line->floor_ns, from->floor_ns);
    resil__store_release(&tsc->current, number);
}

static struct resil__tsc_sample take_sample(const struct resil__tsc_source *source)
{
    struct resil__tsc_sample sample = {.close = false};

    for (unsigned tries = 0; tries < TRIES && !sample.close; tries++) {
        uint64_t before_ns = source->clock_ns();

        sample.counts = source->counter();
        sample.ns = source->clock_ns();
        sample.close = sample.ns != 0 && sample.ns - before_ns <= CLOSE_NS;
    }
    return sample;
}

/* Publishes the line behind this one; false: somebody else is at it, or we were held up. */
static bool renew(struct resil__tsc *tsc, const struct resil__tsc_source *source, uint64_t number,
                  const struct resil__tsc_line *line)
{
    uint64_t idle = 0;
    bool done = false;

    if (!resil__cas(&tsc->busy, &idle, 1))
        return false;
    for (unsigned tries = 0; tries < TRIES && !done; tries++) {
        struct resil__tsc_keeper keeper = tsc->keeper;
        struct resil__tsc_sample sample;
        struct resil__tsc_line next;

        done = true;
        if (resil__load_acquire(&tsc->current) != number)
            break;
        sample = take_sample(source);
        next = resil__tsc_next(&keeper, line, &sample);
        done = next.span == 0 || source->counter() - sample.counts <= next.span / 64;
        if (done) {
            tsc->keeper = keeper;
            store_line(tsc, number + 1, &next);
        }
    }
    resil__store_release(&tsc->busy, 0);
    return done;
}

uint64_t resil__tsc_now_slow(struct resil__tsc *tsc, const struct resil__tsc_source *source)
{
    for (;;) {
        uint64_t number = resil__load_acquire(&tsc->current);
        struct resil__tsc_line line = load_line(tsc, number);
        uint64_t counts = line.rate != 0 ? source->counter() : 0;
        uint64_t ns;

        if (resil__load_acquire(&tsc->current) != number)
            continue; /* another published a line */
        if (resil__tsc_answers(&line, counts, &ns))
            return ns;
        ns = source->clock_ns();
        if ((line.rate != 0 || ns >= line.from_ns) && renew(tsc, source, number, &line))
            continue; /* there is a new line, or none for a while */
        if (resil__load_acquire(&tsc->current) == number)
            return resil__max(ns, line.floor_ns);
    }
}

bool resil__tsc_runs(const struct resil__tsc *tsc)
{
    uint64_t number, span;

    do {
        number = resil__load_acquire(&tsc->current);
        span = resil__load_acquire(&tsc->slot[number & 1].line.span);
    } while (resil__load_relaxed(&tsc->current) != number);
    return span != 0;
}
