/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Prequal's answers against a plain list of them: probes come back, picks use answers up, hosts are
 * ejected, replaced and excluded, time passes and steps back. Who is picked has the best of the usable
 * answers; what a pick removes is the oldest or the worst; an answer serves as many picks as its reuse
 * says, on average where that is a fraction; and as many probes are due as there were picks. What the
 * pool holds is compared after each operation, wherever it holds it.
 */
#include "shrink.h"

#include <resil/picker.h>

#include "balancer/pool.h"
#include "balancer/prequal.h"

#define OPERATIONS MODEL_OPERATIONS(1000000, 100000)

#define HOSTS_MAX    60
#define EXCLUDED_MAX 4

struct answer {
    uint64_t id;
    uint64_t rif;
    uint64_t latency_ns;
    uint64_t heard_ns;
    uint64_t used;
    uint32_t member;
    bool usable; /* by this pick */
};

static struct bench {
    uint64_t random, seed, operation;
    struct resil_load loads[HOSTS_MAX];
    struct resil_member members[HOSTS_MAX];
    struct resil_candidate candidates[HOSTS_MAX];
    uint32_t candidate_of[HOSTS_MAX];
    bool gone[HOSTS_MAX];
    uint32_t hosts;
    uint64_t next_id;
    struct resil__turns turns;
    struct resil__probes probes;
    struct resil_pool pool;
    struct resil_pick_context context;
    uint64_t excluded[EXCLUDED_MAX];

    struct answer answers[RESIL__PROBES]; /* the model's, in no order */
    uint32_t count;
    uint32_t heard[RESIL__PROBES_HEARD]; /* the last RIFs, oldest first */
    uint32_t heard_count;
    uint64_t picks, due;
} bench;

static _Alignas(64) unsigned char table[64];

/* Of all answers that were used up, where that is a fraction: in 1/10000. */
static struct {
    uint64_t answers, served, wanted;
} sum;

/* The control: a quantile whose rank is rounded down. */
static bool rounded_down;

static uint64_t below(uint64_t bound)
{
    return test_below(&bench.random, bound);
}

static void build(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < bench.hosts; i++) {
        bench.candidate_of[i] = bench.gone[i] ? RESIL_PICK_NONE : count;
        if (!bench.gone[i])
            bench.candidates[count++] =
                (struct resil_candidate){.load = &bench.loads[i], .member = i, .weight = 256};
    }
    bench.pool.count = count;
    resil_picker_prequal()->build(&bench.pool, table);
}

static void renew(void)
{
    uint64_t random = bench.random;

    memset(&bench, 0, sizeof bench);
    bench.random = random;
    bench.hosts = 2 + (uint32_t)below(below(2) == 0 ? 8 : HOSTS_MAX - 1);
    bench.next_id = 100;
    bench.context.now_ns = RESIL_SEC(1000);
    bench.context.excluded = bench.excluded;
    for (uint32_t i = 0; i < bench.hosts; i++)
        bench.members[i] = (struct resil_member){
            .load = &bench.loads[i], .address = "x", .id = bench.next_id++, .weight = 1};
    bench.pool = (struct resil_pool){
        .candidates = bench.candidates,
        .members = bench.members,
        .candidate_of = bench.candidate_of,
        .member_count = bench.hosts,
        .table = table,
        .options = {.choices = 2,
                    .hot_pct = below(4) == 0 ? 100 : 1 + below(99),
                    .probe_ns = RESIL_MS(1) + below(RESIL_SEC(2))},
        .turns_ = &bench.turns,
        .probes_ = &bench.probes,
    };
    resil__probes_init(&bench.probes);
    build();
}

static void begin(void)
{
    renew();
}

/* Picks that an answer serves, in 1/10000: 2 / ((1 - m / n) - 1 / 4), m = min(16, n / 2). */
static uint64_t reuse(void)
{
    uint64_t n = bench.pool.count, twice_m = n < 32 ? n : 32;

    return 80000 * n / (3 * n - 2 * twice_m);
}

static struct answer *answer_of(uint64_t id)
{
    for (uint32_t i = 0; i < bench.count; i++)
        if (bench.answers[i].id == id)
            return &bench.answers[i];
    return NULL;
}

/* Whether the pool holds an answer, with everything that it says. */
static bool is_held(const struct answer *answer)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < RESIL__PROBES; i++) {
        uint64_t place = (uint64_t)answer->member << 32 | answer->rif;

        found += bench.probes.entries[i].version != 0 &&
                 (uint32_t)bench.probes.entries[i].used == answer->used &&
                 bench.probes.entries[i].id == answer->id &&
                 bench.probes.entries[i].place == place &&
                 bench.probes.entries[i].latency_ns == answer->latency_ns &&
                 bench.probes.entries[i].heard_ns == answer->heard_ns;
    }
    MODEL_CHECK(&bench, found <= 1);
    return found == 1;
}

static void drop(uint64_t id)
{
    for (uint32_t i = 0; i < bench.count; i++)
        if (bench.answers[i].id == id) {
            bench.answers[i] = bench.answers[--bench.count];
            return;
        }
}

static void check_all_held(void)
{
    uint32_t held = 0;

    for (uint32_t i = 0; i < bench.count; i++)
        MODEL_CHECK(&bench, is_held(&bench.answers[i]));
    for (uint32_t i = 0; i < RESIL__PROBES; i++)
        held += bench.probes.entries[i].version != 0 &&
                (uint32_t)bench.probes.entries[i].used != UINT32_MAX;
    MODEL_CHECK(&bench, held == bench.count);
}

static void hear_rif(uint32_t rif)
{
    if (bench.heard_count == RESIL__PROBES_HEARD)
        memmove(bench.heard, bench.heard + 1, --bench.heard_count * sizeof *bench.heard);
    bench.heard[bench.heard_count++] = rif;
}

/* The oldest of all, which is no longer there. */
static void drop_oldest(void)
{
    struct answer *missing = NULL;

    for (uint32_t i = 0; i < bench.count; i++)
        if (!is_held(&bench.answers[i])) {
            MODEL_CHECK(&bench, missing == NULL);
            missing = &bench.answers[i];
        }
    MODEL_CHECK(&bench, missing != NULL);
    if (missing == NULL)
        return;
    for (uint32_t i = 0; i < bench.count; i++)
        MODEL_CHECK(&bench, bench.answers[i].heard_ns >= missing->heard_ns);
    drop(missing->id);
}

static void hear(void)
{
    uint32_t member = (uint32_t)below(bench.hosts);
    struct resil__probe probe = {
        .id = bench.members[member].id,
        .rif = below(64) == 0 ? UINT64_MAX - below(9) : below(12),
        .latency_ns = RESIL_MS(1) + below(10),
        .member = member,
    };

    drop(probe.id); /* a newer one takes its place */
    resil__probes_add(&bench.probes, &probe, bench.context.now_ns, bench.pool.options.hot_pct);
    if (probe.rif > UINT32_MAX)
        probe.rif = UINT32_MAX;
    hear_rif((uint32_t)probe.rif);
    if (bench.count == RESIL__PROBES)
        drop_oldest();
    bench.answers[bench.count++] = (struct answer){.id = probe.id,
                                                   .rif = probe.rif,
                                                   .latency_ns = probe.latency_ns,
                                                   .heard_ns = bench.context.now_ns,
                                                   .member = member};
}

/* RIFs above it are hot: the nearest rank of the last heard. */
static uint64_t hot_above(void)
{
    uint64_t pct = bench.pool.options.hot_pct, share = bench.heard_count * pct;
    uint64_t rank = rounded_down && share >= 100 ? share / 100 : (share + 99) / 100;

    if (pct == 100)
        return UINT64_MAX;
    for (uint32_t i = 0; i < bench.heard_count; i++) {
        uint64_t less = 0, equal = 0;

        for (uint32_t j = 0; j < bench.heard_count; j++) {
            less += bench.heard[j] < bench.heard[i];
            equal += bench.heard[j] == bench.heard[i];
        }
        if (less < rank && rank <= less + equal)
            return bench.heard[i];
    }
    return 0;
}

static bool is_better(const struct answer *a, const struct answer *b, uint64_t hot)
{
    bool a_hot = a->rif + a->used > hot, b_hot = b->rif + b->used > hot;

    if (a_hot != b_hot)
        return b_hot;
    return a_hot ? a->rif + a->used < b->rif + b->used : a->latency_ns < b->latency_ns;
}

static bool is_excluded(uint64_t id)
{
    for (size_t i = 0; i < bench.context.excluded_count; i++)
        if (bench.excluded[i] == id)
            return true;
    return false;
}

static uint32_t find_usable(void)
{
    uint64_t now_ns = bench.context.now_ns;
    uint32_t count = 0;

    for (uint32_t i = 0; i < bench.count; i++) {
        struct answer *is = &bench.answers[i];
        uint64_t off_ns = now_ns > is->heard_ns ? now_ns - is->heard_ns : is->heard_ns - now_ns;

        is->usable = off_ns <= bench.pool.options.probe_ns && !bench.gone[is->member] &&
                     bench.members[is->member].id == is->id && !is_excluded(is->id);
        count += is->usable;
    }
    return count;
}

/* Whether a pick that removes may remove this one: one time the oldest, the next time the worst. */
static bool is_victim(const struct answer *answer, bool worst, uint64_t hot)
{
    for (uint32_t i = 0; i < bench.count; i++) {
        const struct answer *other = &bench.answers[i];

        if (other->usable &&
            (worst ? is_better(answer, other, hot) : other->heard_ns < answer->heard_ns))
            return false;
    }
    return answer->usable;
}

/* What became of the answer that was used; goes: it is removed besides. */
static void use(struct answer *best, bool goes)
{
    uint64_t whole = reuse() / 10000, part = reuse() % 10000;

    best->used++;
    if (is_held(best)) {
        MODEL_CHECK(&bench, !goes && best->used < whole + (part != 0));
        return;
    }
    MODEL_CHECK(&bench, goes || best->used >= whole);
    if (!goes && part != 0) {
        sum.answers++;
        sum.served += best->used;
        sum.wanted += reuse();
    }
    drop(best->id);
}

static void check_answers(struct answer *best, uint32_t usable)
{
    bool removes = bench.picks % 4 == 0 && usable > 2, worst = bench.picks / 4 % 2 == 1;
    uint64_t hot = hot_above();
    struct answer *removed = NULL;
    uint64_t gone;
    bool is_own;

    MODEL_CHECK(&bench, best != NULL && best->usable);
    for (uint32_t i = 0; i < bench.count; i++) {
        struct answer *is = &bench.answers[i];

        MODEL_CHECK(&bench, !is->usable || !is_better(is, best, hot));
        if (is == best || is_held(is))
            continue;
        MODEL_CHECK(&bench, removes && removed == NULL && is_victim(is, worst, hot));
        removed = is;
    }
    is_own = removes && removed == NULL && is_victim(best, worst, hot);
    MODEL_CHECK(&bench, !removes || removed != NULL || is_own);
    gone = removed != NULL ? removed->id : 0;
    use(best, is_own);
    drop(gone);
}

static void pick(void)
{
    uint32_t usable, picked;

    bench.context.random_ = test_random(&bench.random);
    bench.context.excluded_count = 0;
    if (below(8) == 0)
        for (uint64_t n = below(EXCLUDED_MAX + 1); n > 0; n--)
            bench.excluded[bench.context.excluded_count++] = bench.members[below(bench.hosts)].id;
    usable = find_usable();
    picked = resil_picker_prequal()->pick(&bench.pool, &bench.context);
    MODEL_CHECK(&bench, picked < bench.pool.count || picked == RESIL_PICK_NONE);
    if (usable >= 2) {
        MODEL_CHECK(&bench, picked != RESIL_PICK_NONE);
        check_answers(answer_of(bench.members[bench.candidates[picked].member].id), usable);
    } else if (picked != RESIL_PICK_NONE) {
        MODEL_CHECK(&bench, !is_excluded(bench.members[bench.candidates[picked].member].id));
    } else {
        for (uint32_t i = 0; i < bench.pool.count; i++)
            MODEL_CHECK(&bench, is_excluded(bench.members[bench.candidates[i].member].id));
    }
    bench.picks++;
    bench.due++;
}

static void want(void)
{
    uint32_t max = (uint32_t)below(20);
    uint64_t due = bench.due < 16 ? bench.due : 16, take = due < max ? due : max;

    MODEL_CHECK(&bench, resil__probes_want(&bench.probes, max) == take);
    bench.due = due - take;
}

/* A host replaced; or, where the reuse doesn't depend on how many there are, ejected or back. */
static void change(void)
{
    uint32_t member = (uint32_t)below(bench.hosts);

    if (below(2) == 0 || bench.hosts > 32) {
        bench.members[member].id = bench.next_id++;
        return;
    }
    if (bench.gone[member] || bench.pool.count > 1)
        bench.gone[member] = !bench.gone[member];
    build();
}

static void step(void)
{
    if (below(2000) == 0)
        renew();
    switch (below(32)) {
    case 0:
        bench.context.now_ns += below(bench.pool.options.probe_ns / 2);
        if (below(2) == 0 && bench.count > 0) /* the last moment of one, or just after it */
            bench.context.now_ns =
                bench.answers[below(bench.count)].heard_ns + bench.pool.options.probe_ns + below(2);
        break;
    case 1:
        if (below(8) == 0)
            bench.context.now_ns -= below(2 * bench.pool.options.probe_ns);
        break;
    case 2:
        want();
        break;
    case 3:
        if (below(8) == 0)
            change();
        break;
    case 4:
        bench.loads[below(bench.hosts)].in_flight_ = below(20);
        break;
    default:
        bench.context.now_ns += below(RESIL_US(100));
        if (below(5) == 0)
            hear();
        else
            pick();
    }
    check_all_held();
}

static const struct model_subject model = {begin, step, &bench.random};

static void answers_are_used_and_removed_as_the_rules_say(void **state)
{
    (void)state;
    sum.answers = sum.served = sum.wanted = 0;
    model_run(&model, test_seed(24), OPERATIONS);
    if (getenv("RESIL_OPERATIONS") != NULL)
        return;
    assert_true(sum.answers > 100);
    assert_in_range(sum.served * 10000, sum.wanted * 98 / 100, sum.wanted * 102 / 100);
}

static void a_quantile_rounded_down_is_found(void **state)
{
    (void)state;
    rounded_down = true;
    model_finds(&model, 24, OPERATIONS, 8, "a quantile whose rank is rounded down");
    rounded_down = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_used_and_removed_as_the_rules_say),
        cmocka_unit_test(a_quantile_rounded_down_is_found),
    };

    return cmocka_run_group_tests_name("prequal model", tests, NULL, NULL);
}
