/* SPDX-License-Identifier: BSD-2-Clause */
#include "balancer/ewma.h"

#include "base/atomic.h"
#include "base/contend.h"
#include "base/math.h"

/* Between two of them a straight line: it lies above the curve by at most
   (ln 2 / 64)^2 / 8 = 1.5e-5, and falls less steeply than it by at most 0.6 %. */
const uint32_t resil__ewma_powers[65] = {
    2147483648, 2124350982, 2101467502, 2078830522, 2056437387, 2034285470, 2012372174, 1990694927,
    1969251188, 1948038440, 1927054196, 1906295993, 1885761398, 1865448001, 1845353420, 1825475297,
    1805811301, 1786359126, 1767116489, 1748081133, 1729250827, 1710623359, 1692196547, 1673968228,
    1655936265, 1638098541, 1620452965, 1602997467, 1585730000, 1568648537, 1551751076, 1535035634,
    1518500250, 1502142985, 1485961921, 1469955159, 1454120821, 1438457051, 1422962010, 1407633882,
    1392470869, 1377471191, 1362633090, 1347954824, 1333434672, 1319070932, 1304861917, 1290805962,
    1276901417, 1263146652, 1249540052, 1236080024, 1222764986, 1209593378, 1196563654, 1183674286,
    1170923762, 1158310587, 1145833280, 1133490379, 1121280436, 1109202018, 1097253708, 1085434106,
    1073741824,
};

/* 2^32 / ln 2 */
#define PER_HALF_LIFE UINT64_C(6196328019)

struct resil__ewma_scale resil__ewma_scale(uint64_t decay_ns)
{
    uint64_t decay = resil__max(resil__min(decay_ns, UINT64_C(3600000000000)), 1000000);
    uint32_t shift = 63 - 12 - (uint32_t)__builtin_clzll(decay);

    return (struct resil__ewma_scale){
        .shift = shift,
        .slack = (uint32_t)(decay >> shift) + 1,
        .factor = resil__mul_div(UINT64_C(1) << shift, PER_HALF_LIFE, decay),
    };
}

/* Latencies in units of 2^-20 ns to 26 bits of fraction and an exponent, and back. */
static uint32_t pack(uint64_t units)
{
    uint32_t exponent = 0;

    if (units >> 26 != 0)
        exponent = 38 - (uint32_t)__builtin_clzll(units);
    return exponent << 26 | (uint32_t)(units >> exponent);
}

static uint64_t unpack(uint64_t word)
{
    return (word >> 32 & 0x3ffffff) << (word >> 58);
}

/* The word after a sample. The same word where the sample has nothing to say. */
static uint64_t observe(const struct resil__ewma_scale *scale, uint64_t word, uint64_t units,
                        uint64_t now_ns)
{
    uint64_t stamp = (uint32_t)(now_ns >> scale->shift);
    uint64_t old = unpack(word);
    uint32_t elapsed;

    if (word == 0)
        return (uint64_t)pack(units) << 32 | stamp;
    elapsed = resil__ewma_elapsed(scale, word, now_ns);
    if (elapsed == 0) {
        /* The stamp may be a little ahead: it stays. */
        return units <= old ? word : (uint64_t)pack(units) << 32 | (uint32_t)word;
    }
    if (units < old) {
        uint64_t rest = resil__ewma_exp(scale, elapsed);

        units += resil__mul_wide(old - units, rest << 33).high;
    }
    return (uint64_t)pack(units) << 32 | stamp;
}

void resil__ewma_observe(uint64_t *word, uint64_t latency_ns, uint64_t now_ns, uint64_t decay_ns)
{
    struct resil__ewma_scale scale = resil__ewma_scale(decay_ns);
    uint64_t units = resil__max(resil__min(latency_ns, RESIL__EWMA_MAX_NS), 1) << 20;
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t old = resil__load_relaxed(word);
    uint64_t next = observe(&scale, old, units, now_ns);

    while (next != old && !resil__cas(word, &old, next)) {
        resil__contend(&contend);
        next = observe(&scale, old, units, now_ns);
    }
}

uint64_t resil__ewma_read(uint64_t word, uint64_t now_ns, uint64_t decay_ns, uint64_t first_ns)
{
    struct resil__ewma_scale scale = resil__ewma_scale(decay_ns);

    return resil__ewma_read_scaled(&scale, word, now_ns, first_ns);
}

uint64_t resil__ewma_penalty(uint64_t word, uint64_t latency_ns, uint64_t timeout_ns,
                             uint64_t first_ns)
{
    uint64_t known = word == 0 ? first_ns : unpack(word) >> 20;
    uint64_t penalty = resil__max(latency_ns, resil__max(timeout_ns, resil__mul_sat(known, 2)));

    return resil__min(penalty, RESIL__EWMA_PENALTY_MAX_NS);
}
