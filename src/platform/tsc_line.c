/* SPDX-License-Identifier: BSD-2-Clause */
#include "platform/tsc_line.h"

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

static void begin_base(struct resil__tsc_keeper *keeper, const struct resil__tsc_sample *sample)
{
    keeper->base_counts = sample->counts;
    keeper->base_ns = sample->close ? sample->ns : 0;
}

/* No line: the clock is read until it is time to try again. */
static struct resil__tsc_line pause(const struct resil__tsc_keeper *keeper,
                                    const struct resil__tsc_line *line, uint64_t ns)
{
    bool off = keeper->strikes >= RESIL__TSC_STRIKES_MAX;

    return (struct resil__tsc_line){
        .from_ns = off ? RESIL_NEVER : resil__add_sat(ns, RESIL__TSC_LEARN_NS),
        .floor_ns = line->floor_ns,
    };
}

static struct resil__tsc_line doubt(struct resil__tsc_keeper *keeper,
                                    const struct resil__tsc_line *line,
                                    const struct resil__tsc_sample *sample)
{
    keeper->strikes += RESIL__TSC_STRIKE;
    begin_base(keeper, sample);
    return pause(keeper, line, sample->ns);
}

/* The rate since the base; 0 when there is none that could be. */
static uint64_t measure(const struct resil__tsc_keeper *keeper,
                        const struct resil__tsc_sample *sample)
{
    uint64_t rate = resil__mul_div(sample->ns - keeper->base_ns, UINT64_C(1) << 32,
                                   sample->counts - keeper->base_counts);

    return rate >= RESIL__TSC_RATE_MIN && rate <= RESIL__TSC_RATE_MAX ? rate : 0;
}

static struct resil__tsc_line draw(const struct resil__tsc_keeper *keeper,
                                   const struct resil__tsc_line *line,
                                   const struct resil__tsc_sample *sample)
{
    uint64_t rate = keeper->rate + (keeper->rate >> 16);
    uint64_t from_ns = resil__max(sample->ns, line->floor_ns);
    uint64_t ahead_ns = resil__min(from_ns - sample->ns, RESIL__TSC_LINE_NS / 2);
    struct resil__tsc_line next = {
        .from = sample->counts,
        .from_ns = from_ns,
        .rate = rate - (rate * ahead_ns >> RESIL__TSC_LINE_BITS),
        .span = (RESIL__TSC_LINE_NS << 32) / rate,
    };

    next.floor_ns = from_ns + (next.span * next.rate >> 32);
    return next;
}

/* Where the old line has led by now, if it ended a moment ago. */
static bool was_good(const struct resil__tsc_line *line, const struct resil__tsc_sample *sample)
{
    uint64_t since = sample->counts - line->from;

    if (since >> 63 != 0)
        return false;
    return since >= 2 * line->span ||
           distance(line->from_ns + (since * line->rate >> 32), sample->ns) <= RESIL__TSC_DOUBT_NS;
}

struct resil__tsc_line resil__tsc_next(struct resil__tsc_keeper *keeper,
                                       const struct resil__tsc_line *line,
                                       const struct resil__tsc_sample *sample)
{
    uint64_t elapsed_ns = sample->ns - keeper->base_ns;
    uint64_t rate;

    if (!sample->close || (line->rate != 0 && !was_good(line, sample)))
        return doubt(keeper, line, sample);
    if (line->rate == 0 && (keeper->base_ns == 0 || elapsed_ns > RESIL__TSC_LEARN_NS_MAX)) {
        begin_base(keeper, sample);
        return pause(keeper, line, sample->ns);
    }
    if (line->rate != 0 && elapsed_ns < RESIL__TSC_BASE_NS)
        return draw(keeper, line, sample);

    rate = measure(keeper, sample);
    if (rate == 0 ||
        (line->rate != 0 && distance(rate, keeper->rate) > keeper->rate >> RESIL__TSC_DOUBT_BITS))
        return doubt(keeper, line, sample);
    if (line->rate != 0)
        keeper->strikes -= keeper->strikes > 0;
    keeper->rate = rate;
    begin_base(keeper, sample);
    return draw(keeper, line, sample);
}
