/* SPDX-License-Identifier: BSD-2-Clause */
/* The pick by probes; prequal.h says how it goes. */
#include "balancer/prequal.h"

#include "balancer/least_requests.h"
#include "balancer/pool.h"

/* Every fourth pick removes an answer. */
#define REMOVE_EVERY 4u

#define REMOVED UINT32_MAX

/* Picks that an answer serves, in 1/256. */
struct table {
    uint64_t reuse;
};

/* An answer as read, at one moment. */
struct answer {
    uint64_t rif; /* with the picks since */
    uint64_t latency_ns;
    uint64_t heard_ns;
    uint64_t used;   /* the word */
    uint64_t budget; /* picks it serves */
    uint32_t entry;
    uint32_t candidate;
};

/* What a look at all answers finds. */
struct look {
    struct answer best;
    struct answer worst;
    struct answer oldest;
    uint32_t count;
};

/* How many picks this answer serves: rounded up for a share of the answers as large as the
   fraction, by a Weyl sequence. */
static uint64_t budget_of(const struct resil_pool *pool, uint64_t version, uint32_t entry)
{
    const struct table *table = pool->table;

    return (table->reuse +
            ((version * RESIL__PROBES + entry) * UINT64_C(0x9e3779b97f4a7c15) >> 56)) >>
           8;
}

/* Fills *answer with the answer of an entry that this pick can use. Loads are acquires, so that the
   second look at the version comes last: pairs with write_entry in probes.c. */
static bool read_entry(const struct resil_pool *pool, const struct resil_pick_context *context,
                       uint32_t entry, struct answer *answer)
{
    const struct resil__probes *probes = pool->probes_;
    uint64_t version = resil__load_acquire(&probes->entries[entry].version);
    uint64_t id = resil__load_acquire(&probes->entries[entry].id);
    uint64_t place = resil__load_acquire(&probes->entries[entry].place);
    uint64_t used;

    answer->budget = budget_of(pool, version, entry);
    answer->latency_ns = resil__load_acquire(&probes->entries[entry].latency_ns);
    answer->heard_ns = resil__load_acquire(&probes->entries[entry].heard_ns);
    used = resil__load_acquire(&probes->entries[entry].used);
    if (version == 0 || (version & 1) != 0 ||
        resil__load_acquire(&probes->entries[entry].version) != version)
        return false;
    if ((uint32_t)used >= answer->budget)
        return false;
    /* A little ahead is a thread that stalled; far ahead is a clock that stepped back. */
    if ((context->now_ns > answer->heard_ns
             ? context->now_ns - answer->heard_ns
             : answer->heard_ns - context->now_ns) > pool->options.probe_ns)
        return false;
    if (place >> 32 >= pool->member_count || pool->members[place >> 32].id != id)
        return false;
    answer->candidate = pool->candidate_of[place >> 32];
    if (answer->candidate == RESIL_PICK_NONE ||
        !resil__pick_allowed(pool, context, answer->candidate))
        return false;
    answer->rif = (place & UINT32_MAX) + (uint32_t)used;
    answer->used = used;
    answer->entry = entry;
    return true;
}

/* Whether b is the better answer: cold before hot, among the cold by latency, else by RIF. */
static bool better(uint64_t hot, const struct answer *a, const struct answer *b)
{
    bool hot_a = a->rif > hot;
    bool hot_b = b->rif > hot;

    if (hot_a != hot_b)
        return hot_a;
    return hot_a ? b->rif < a->rif : b->latency_ns < a->latency_ns;
}

/* victims: also the worst and the oldest. */
static void look(const struct resil_pool *pool, const struct resil_pick_context *context,
                 bool victims, struct look *look)
{
    /* By latency alone, as hot_pct says: picks since mustn't heat anybody either. */
    uint64_t hot =
        pool->options.hot_pct >= 100 ? UINT64_MAX : resil__load_relaxed(&pool->probes_->hot);

    look->count = 0;
    for (uint32_t entry = 0; entry < RESIL__PROBES; entry++) {
        struct answer answer;

        if (!read_entry(pool, context, entry, &answer))
            continue;
        if (look->count == 0 || better(hot, &look->best, &answer))
            look->best = answer;
        if (victims && (look->count == 0 || better(hot, &answer, &look->worst)))
            look->worst = answer;
        if (victims && (look->count == 0 || answer.heard_ns < look->oldest.heard_ns))
            look->oldest = answer;
        look->count++;
    }
}

/* One try: a failed swap means that the entry has been used, removed or written by another. */
static void mark(struct resil__probes *probes, const struct answer *answer, bool remove)
{
    uint64_t expected = answer->used;

    (void)resil__cas(&probes->entries[answer->entry].used, &expected,
                     remove ? answer->used | REMOVED : answer->used + 1);
}

/* The answer that this pick removes, or NULL. */
static const struct answer *victim_of(const struct look *found, uint64_t picks)
{
    if (picks % REMOVE_EVERY != 0 || found->count <= 2)
        return NULL;
    return picks / REMOVE_EVERY % 2 == 0 ? &found->oldest : &found->worst;
}

static uint32_t pick(const struct resil_pool *pool, struct resil_pick_context *context)
{
    struct resil__probes *probes = pool->probes_;
    const struct answer *victim;
    struct look found;
    uint64_t picks;

    if (probes == NULL)
        return resil__least_requests(pool, context);
    picks = resil__add_relaxed(&probes->picks, 1);
    look(pool, context, picks % REMOVE_EVERY == 0, &found);
    if (found.count < 2)
        return resil__least_requests(pool, context);

    victim = victim_of(&found, picks);
    mark(probes, &found.best,
         (uint32_t)found.best.used + 1 >= found.best.budget ||
             (victim != NULL && victim->entry == found.best.entry));
    if (victim != NULL && victim->entry != found.best.entry)
        mark(probes, victim, true);
    return found.best.candidate;
}

static size_t table_size(const struct resil_pool *pool)
{
    (void)pool;
    return sizeof(struct table);
}

/* 2 / ((1 - m / n) - 1 / 4) with m = min(16, n / 2): 8 for up to 32 endpoints, 8 / 3 for very
   many. */
static void build(const struct resil_pool *pool, void *table)
{
    uint64_t n = pool->count;
    uint64_t half = n < 2 * RESIL__PROBES ? n : 2 * RESIL__PROBES; /* 2 m */

    /* Both sides times 4 n. */
    ((struct table *)table)->reuse = 256 * 8 * n / (3 * n - 2 * half);
}

static const struct resil_picker picker = {
    .size = sizeof picker,
    .name = "prequal",
    .flags = RESIL_PICKER_EXCLUDES,
    .table_size = table_size,
    .build = build,
    .pick = pick,
};

const struct resil_picker *resil_picker_prequal(void)
{
    return &picker;
}
