/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_EWMA_H
#define RESIL_BALANCER_EWMA_H

/*
 * A moving latency in one word, after the Peak-EWMA of Finagle (Marius Eriksen, Steve Gury, Ruben
 * Oanta and others): a sample above the average replaces it, one below is averaged in by the time
 * that has passed,
 *
 *     x' = s + (x - s) * exp(-elapsed / decay)          reads see    x * exp(-idle / decay)
 *
 * so that a host that turns slow is left at once, and comes back slowly: either by good samples or
 * because nobody has asked it for long. Our deviations: reading doesn't write; nothing is read
 * below 1 us, so that calls in flight still count; the first sample of all is the average.
 *
 * The word: latency << 32 | stamp, 0 = never heard of.
 *
 *     latency   a small floating number: 6 bits of exponent, 26 of fraction, unit 2^-20 ns. Its
 *               relative error is below 2^-25, whatever the size: the smallest step of averaging
 *               (1 / 8192) of a difference of 0.1 % still moves it.
 *     stamp     now >> shift, steps of decay / 8192 to decay / 4096
 *
 * Within one step of time one sample at most is averaged in, the first; later ones of the step are
 * looked at only for being a peak. So at a million samples a second nothing rounds to "never
 * moves", and most reports write nothing: about 4,096 to 8,192 samples within a decay are averaged,
 * more than enough for a mean.
 *
 * Time. A stamp ahead of now by up to one decay counts as now: threads read the clock and then
 * stall. One further ahead (the clock stepped back, or 2^31 steps have gone by unheard) counts as
 * of long ago: a sample replaces it, a read sees 1 us. Nothing stays stuck for longer than one
 * decay. A word whose stamp is 2^32 steps old to the step reads as fresh: with a decay of 10 s that
 * is after 104 days of silence.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** No latency above it is kept. */
#define RESIL__EWMA_MAX_NS UINT64_C(60000000000)

/** No latency below it is read. */
#define RESIL__EWMA_MIN_NS UINT64_C(1000)

/** What a failure can cost at most. */
#define RESIL__EWMA_PENALTY_MAX_NS UINT64_C(30000000000)

/** The decay as the arithmetic wants it. */
struct resil__ewma_scale {
    uint32_t shift;  /* a step of time is 2^shift ns */
    uint32_t slack;  /* steps in one decay, rounded up */
    uint64_t factor; /* half-lives in a step, in 2^-32 */
};

/** 2^(31 - i / 64). */
extern const uint32_t resil__ewma_powers[65];

/** Of a decay of 1 ms to 1 h; others are taken for the nearest. */
struct resil__ewma_scale resil__ewma_scale(uint64_t decay_ns);

/** 2^31 * exp(-steps / decay), with an error of at most 2e-5 * 2^31, and of 0.6 % of what it falls
    by: at worst the average moves as if decay were that much longer. */
static inline uint32_t resil__ewma_exp(const struct resil__ewma_scale *scale, uint32_t steps)
{
    uint64_t halvings = steps * scale->factor; /* in 2^-32; below 2^53 */
    uint32_t at = (uint32_t)(halvings >> 26) & 63;
    uint64_t part = halvings & 0x3ffffff;
    uint32_t high = resil__ewma_powers[at];
    uint32_t low = resil__ewma_powers[at + 1];

    if (halvings >> 32 >= 31)
        return 0;
    return (high - (uint32_t)(((high - low) * part) >> 26)) >> (halvings >> 32);
}

/** Steps since the stamp of a word; UINT32_MAX when it is of long ago, see above. */
static inline uint32_t resil__ewma_elapsed(const struct resil__ewma_scale *scale, uint64_t word,
                                           uint64_t now_ns)
{
    uint32_t elapsed = (uint32_t)(now_ns >> scale->shift) - (uint32_t)word;

    if (elapsed < UINT32_C(1) << 31)
        return elapsed;
    return 0 - elapsed <= scale->slack ? 0 : UINT32_MAX;
}

/** What a word says at a time, in ns. */
static inline uint64_t resil__ewma_read_scaled(const struct resil__ewma_scale *scale, uint64_t word,
                                               uint64_t now_ns, uint64_t first_ns)
{
    uint64_t fraction = word >> 32 & 0x3ffffff;
    uint32_t decayed;
    uint64_t latency_ns;

    if (word == 0)
        return first_ns;
    decayed = resil__ewma_exp(scale, resil__ewma_elapsed(scale, word, now_ns));
    /* The exponent is at most 30: 60 s are below 2^36 ns, 2^56 units. */
    latency_ns = (fraction * decayed) >> (51 - (word >> 58));
    return latency_ns > RESIL__EWMA_MIN_NS ? latency_ns : RESIL__EWMA_MIN_NS;
}

/** As above, from the decay. */
uint64_t resil__ewma_read(uint64_t word, uint64_t now_ns, uint64_t decay_ns, uint64_t first_ns);

/**
 * Takes a latency into a word. Any number of threads at once: no peak is lost, and of samples that
 * meet in one step of time one is averaged in.
 */
void resil__ewma_observe(uint64_t *word, uint64_t latency_ns, uint64_t now_ns, uint64_t decay_ns);

/** The latency as which a failure is to be observed: no less than it took, than its time limit
    (0 = unknown) and than twice what the word says (first_ns for a host never heard of); at most
    30 s. So a host that fails at once doesn't look fast. */
uint64_t resil__ewma_penalty(uint64_t word, uint64_t latency_ns, uint64_t timeout_ns,
                             uint64_t first_ns);

#endif
