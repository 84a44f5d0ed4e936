/* SPDX-License-Identifier: BSD-2-Clause */
/* The answers of a pool: coming in, and how many are due. */
#include "balancer/prequal.h"

#include "base/atomic.h"
#include "base/math.h"

#include <string.h>

#define DUE_MAX 16u

void resil__probes_init(struct resil__probes *probes)
{
    memset(probes, 0, sizeof *probes);
}

/* The quantile, nearest rank, of the RIFs last heard: sorted by insertion, 32 at most. */
static uint64_t quantile(const struct resil__probes *probes, uint32_t count, uint64_t pct)
{
    uint32_t sorted[RESIL__PROBES_HEARD];

    for (uint32_t i = 0; i < count; i++) {
        uint32_t rif = resil__load_relaxed32(&probes->rifs[i]);
        uint32_t at = i;

        for (; at > 0 && sorted[at - 1] > rif; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = rif;
    }
    return sorted[(count * pct + 99) / 100 - 1];
}

/* Writers that meet here may each leave a quantile that lacks the other's RIF: the next one mends
   it. */
static void hear(struct resil__probes *probes, uint32_t rif, uint64_t hot_pct)
{
    uint64_t heard = resil__add_relaxed(&probes->heard, 1);
    uint64_t count = resil__min(heard + 1, RESIL__PROBES_HEARD);

    resil__store_relaxed32(&probes->rifs[heard % RESIL__PROBES_HEARD], rif);
    resil__store_relaxed(&probes->hot, quantile(probes, (uint32_t)count, hot_pct));
}

/* Whether an entry's answer has been removed, or there never was one. */
static bool is_free(uint64_t version, uint64_t used)
{
    return version == 0 || (uint32_t)used == UINT32_MAX;
}

/* The entry that an answer goes to: that of the same endpoint, else a free one, else the oldest. seen
   receives the version of which that is true. */
static uint32_t entry_for(const struct resil__probes *probes, uint64_t id, uint64_t skip,
                          uint64_t *seen)
{
    uint64_t oldest_ns = UINT64_MAX;
    uint32_t best = RESIL__PROBES;

    for (uint32_t i = 0; i < RESIL__PROBES; i++) {
        uint64_t version = resil__load_acquire(&probes->entries[i].version);
        uint64_t heard_ns = resil__load_relaxed(&probes->entries[i].heard_ns);

        if ((skip >> i & 1) != 0 || (version & 1) != 0)
            continue;
        if (version != 0 && resil__load_relaxed(&probes->entries[i].id) == id) {
            *seen = version;
            return i;
        }
        if (is_free(version, resil__load_relaxed(&probes->entries[i].used)))
            heard_ns = 0;
        if (best == RESIL__PROBES || heard_ns < oldest_ns) {
            oldest_ns = heard_ns;
            best = i;
            *seen = version;
        }
    }
    return best;
}

/* Between the two steps of the version: pairs with read_entry in prequal.c. Every store is a
   release after the odd version, so that a reader who sees one of them sees that, too. False: it has
   been written since this version. */
static bool write_entry(struct resil__probes *probes, uint32_t i, uint64_t version,
                        const struct resil__probe *probe, uint64_t now_ns)
{
    uint64_t rif = resil__min(probe->rif, UINT32_MAX);

    if ((version & 1) != 0 || !resil__cas(&probes->entries[i].version, &version, version + 1))
        return false;
    resil__store_release(&probes->entries[i].id, probe->id);
    resil__store_release(&probes->entries[i].place, (uint64_t)probe->member << 32 | rif);
    resil__store_release(&probes->entries[i].latency_ns, probe->latency_ns);
    resil__store_release(&probes->entries[i].heard_ns, now_ns);
    resil__store_release(&probes->entries[i].used, (version + 2) << 32);
    resil__store_release(&probes->entries[i].version, version + 2);
    return true;
}

void resil__probes_add(struct resil__probes *probes, const struct resil__probe *probe,
                       uint64_t now_ns, uint64_t hot_pct)
{
    uint64_t tried = 0;

    hear(probes, (uint32_t)resil__min(probe->rif, UINT32_MAX), hot_pct);
    for (uint32_t tries = 0; tries < RESIL__PROBES; tries++) {
        uint64_t version = 0;
        uint32_t i = entry_for(probes, probe->id, tried, &version);

        if (i == RESIL__PROBES || write_entry(probes, i, version, probe, now_ns))
            return;
        tried |= UINT64_C(1) << i;
    }
}

uint32_t resil__probes_want(struct resil__probes *probes, uint32_t max)
{
    uint64_t picks = resil__load_relaxed(&probes->picks);
    uint64_t asked = resil__load_relaxed(&probes->asked);
    uint64_t due = picks - asked;
    uint64_t take;

    /* Another thread that asked in between may be ahead of the picks that were read here. */
    if (due == 0 || due > UINT64_MAX / 2)
        return 0;
    /* What is more than can be due is forgotten. A lost race leaves the probes to the other. */
    due = resil__min(due, DUE_MAX);
    take = resil__min(due, max);
    return resil__cas(&probes->asked, &asked, picks - due + take) ? (uint32_t)take : 0;
}
