/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The breaker against a plain sequential one: lists instead of words, and every rule judged after
 * every result over everything in the window. All answers, states and counts must agree.
 *
 * With STRIPES: a striped breaker, each operation on a processor drawn at random, against the very
 * same model, which knows no stripes.
 */
#include "shrink.h"

#include <resil/breaker.h>

#define STEPS MODEL_OPERATIONS(200000, 20000)

#define PERMITS 24
#define RESULTS 4096

struct slot {
    enum {
        FREE,
        OUT,
        GOOD,
        BAD
    } is;
    bool leased;
    uint64_t start;
    int owner; /* index of the permit that holds the lease */
};

static struct {
    struct resil_breaker_config config;
    enum resil_breaker_state state;
    uint32_t generation;
    unsigned trips;
    uint64_t until, longest;
    bool gated, newest_known;
    uint64_t gate, streak;
    struct slot slots[10];
    struct {
        uint64_t slice;
        bool failed, slow;
    } results[RESULTS];
    unsigned count;
    uint64_t newest; /* slice */
    uint64_t opened, closed, late;
} model;

#ifdef STRIPES
__thread int32_t test_cpu;
__thread uint32_t test_cpu_asked;
static RESIL_STRIPED_BREAKER(STRIPES) striped;
#define breaker (striped.breaker)
#else
static struct resil_breaker breaker;
#endif
static uint64_t now, latest, seed, operation, rng;

/* The control: leases that last longer. */
static uint64_t too_long_ns;
static struct {
    bool live, probe;
    unsigned slot;
    uint32_t generation;
    uint64_t start;
    struct resil_permit permit;
} permits[PERMITS];

static void disagree(int line, const char *what, int64_t is, int64_t says)
{
    static char message[160];

    (void)snprintf(message, sizeof message, "line %d: %s is %" PRId64 ", the model says %" PRId64,
                   line, what, is, says);
    model_failed(seed, operation, message);
}

#define CHECK(a, b)                                                                                \
    do {                                                                                           \
        uint64_t is_ = (uint64_t)(a), says_ = (uint64_t)(b);                                       \
                                                                                                   \
        if (is_ != says_)                                                                          \
            disagree(__LINE__, #a, (int64_t)is_, (int64_t)says_);                                  \
    } while (0)

static uint64_t width(void)
{
    return model.config.window_ns / model.config.slices;
}

static void enter(enum resil_breaker_state state)
{
    model.state = state;
    model.generation++;
    model.count = 0;
    model.streak = 0;
    model.gated = false;
    model.newest_known = false;
    for (int i = 0; i < 10; i++)
        model.slots[i].is = FREE;
}

static void open_breaker(uint64_t at, uint64_t hint)
{
    uint64_t span = model.config.open_ns;

    enter(RESIL_BREAKER_OPEN);
    model.trips = model.trips < 15 ? model.trips + 1 : 15;
    for (unsigned i = 1; i < model.trips; i++) {
        span = span * model.config.open_factor_pct / 100;
        if (span > model.config.open_ns_max)
            span = model.config.open_ns_max;
    }
    model.longest = model.config.open_ns_max;
    if (hint != 0) {
        model.longest = model.config.hint_ns_max;
        span = hint < model.longest ? hint : model.longest;
    }
    model.until = at + span;
    model.opened++;
}

static bool lease_live(const struct slot *slot)
{
    uint64_t end = slot->start + model.config.probe_lease_ns + too_long_ns;

    return slot->leased && end > now && end - now <= 2 * model.config.probe_lease_ns;
}

/* Returns the slot granted, or -1. */
static int model_probe(int owner, uint64_t *retry_at)
{
    uint64_t soonest = UINT64_MAX;
    uint64_t gap = model.config.probe_gap_ns == RESIL_OFF ? 0 : model.config.probe_gap_ns;

    for (int i = 0; i < (int)model.config.probes; i++) {
        struct slot *slot = &model.slots[i];

        if (slot->is == GOOD || slot->is == BAD)
            continue;
        if (lease_live(slot)) {
            uint64_t left = slot->start + model.config.probe_lease_ns - now;

            soonest = left < soonest ? left : soonest;
            continue;
        }
        if (gap != 0 && model.gated && model.gate + gap > now &&
            model.gate + gap - now <= 2 * gap) {
            *retry_at = model.gate + gap;
            return -1;
        }
        if (model.state == RESIL_BREAKER_OPEN)
            enter(RESIL_BREAKER_HALF_OPEN);
        *slot = (struct slot){.is = OUT, .leased = true, .start = now, .owner = owner};
        model.gated = true;
        model.gate = now;
        return i;
    }
    *retry_at = now + (gap != 0 && gap < soonest ? gap : soonest);
    return -1;
}

static void acquire(int i)
{
    uint64_t retry_at = 0;
    int slot = -1, expected = RESIL_OK;
    int rc = resil_breaker_acquire(&breaker, now, &permits[i].permit);

    if (model.state == RESIL_BREAKER_OPEN && model.until > now &&
        model.until - now <= 2 * model.longest) {
        expected = RESIL_EOPEN;
        retry_at = model.until;
    } else if (model.state == RESIL_BREAKER_OPEN || model.state == RESIL_BREAKER_HALF_OPEN) {
        slot = model_probe(i, &retry_at);
        expected = slot < 0 ? RESIL_EOPEN : RESIL_OK;
    } else if (model.state == RESIL_BREAKER_FORCED_OPEN) {
        expected = RESIL_EOPEN;
    }
    CHECK(rc, expected);
    if (rc == RESIL_EOPEN) {
        CHECK(permits[i].permit.retry_at_ns, retry_at);
        return;
    }
    permits[i].live = true;
    permits[i].probe = slot >= 0;
    permits[i].slot = (unsigned)(slot < 0 ? 0 : slot);
    permits[i].generation = model.generation;
    permits[i].start = now;
}

static void window_sum(uint64_t *calls, uint64_t *failures, uint64_t *slow)
{
    uint64_t last = model.newest, slices = model.config.slices;

    *calls = *failures = *slow = 0;
    if (model.config.calls == 0 && now / width() > last)
        last = now / width();
    for (unsigned i = 0; i < model.count; i++) {
        if (model.config.calls == 0 && model.results[i].slice + slices <= last)
            continue;
        ++*calls;
        *failures += model.results[i].failed;
        *slow += model.results[i].slow;
    }
}

/* False: too old to be counted. */
static bool count(bool failed, bool slow)
{
    uint64_t slice = now / width(), size = model.config.calls, slices = model.config.slices;

    if (size == 0) {
        if (model.newest_known && slice + slices <= model.newest)
            return false;
        if (!model.newest_known || slice > model.newest)
            model.newest = slice;
        model.newest_known = true;
    }
    if (model.count == RESULTS || (size != 0 && model.count == size)) {
        memmove(&model.results[0], &model.results[1], (model.count - 1) * sizeof model.results[0]);
        model.count--;
    }
    model.results[model.count].slice = slice;
    model.results[model.count].failed = failed;
    model.results[model.count++].slow = slow;
    return true;
}

static bool judged(void)
{
    const struct resil_breaker_config *is = &model.config;
    uint64_t calls, failures, slow;
    uint64_t min = is->calls != 0 && is->calls < is->calls_min ? is->calls : is->calls_min;

    window_sum(&calls, &failures, &slow);
    return (is->consecutive != 0 && model.streak >= is->consecutive) ||
           (is->failures != 0 && failures >= is->failures) ||
           (calls >= min && failures * 100 >= is->failure_pct * calls) ||
           (is->slow_ns != 0 && calls >= min && slow * 100 >= is->slow_pct * calls);
}

/* 0 neutral, 1 good, 2 bad */
static int reading(enum resil_outcome outcome)
{
    switch (outcome) {
    case RESIL_SUCCESS:
    case RESIL_CALLER:
        return 1;
    case RESIL_NONE:
    case RESIL_FAILURE:
    case RESIL_NOT_SENT:
    case RESIL_TIMEOUT:
    case RESIL_PERMANENT:
        return 2;
    case RESIL_OVERLOAD:
    case RESIL_LOCAL:
    case RESIL_CANCELLED:
    case RESIL_REFUSED:
    default:
        return 0;
    }
}

static void model_probe_result(unsigned i, const struct resil_result *result, int verdict)
{
    uint64_t probes = model.config.probes, good = 0, bad = 0;
    uint64_t needed = (probes * model.config.probe_success_pct + 99) / 100;

    if (result->outcome == RESIL_OVERLOAD) {
        open_breaker(now, result->hint_ns);
        return;
    }
    model.slots[i].is = verdict == 0 ? FREE : verdict == 1 ? GOOD : BAD;
    for (int j = 0; j < 10; j++) {
        good += model.slots[j].is == GOOD;
        bad += model.slots[j].is == BAD;
    }
    if (good >= needed) {
        enter(RESIL_BREAKER_CLOSED);
        model.trips = 0;
        model.closed++;
    } else if (bad > probes - needed) {
        open_breaker(now, 0);
    }
}

static int model_record(int i, const struct resil_result *result)
{
    struct slot *slot = &model.slots[permits[i].slot];
    int verdict = reading(result->outcome);
    bool mine =
        permits[i].probe && slot->leased && slot->owner == i && slot->start == permits[i].start;
    bool slow = model.config.slow_ns != 0 && now > permits[i].start &&
                now - permits[i].start > model.config.slow_ns;

    if (mine)
        slot->leased = false;
    if (permits[i].generation != model.generation || (permits[i].probe && !mine)) {
        model.late++;
        return RESIL_ELATE;
    }
    if (permits[i].probe) {
        model_probe_result(permits[i].slot, result, verdict == 1 && slow ? 2 : verdict);
        return RESIL_OK;
    }
    if (verdict == 0 || model.state == RESIL_BREAKER_DISABLED)
        return RESIL_OK;
    if (!count(verdict == 2, slow)) {
        model.late++;
        return RESIL_ELATE;
    }
    if (model.config.consecutive != 0)
        model.streak = verdict == 2 ? model.streak + 1 : 0;
    if (model.state == RESIL_BREAKER_CLOSED && judged()) {
        uint64_t begin = model.config.calls == 0 ? model.newest * width() : 0;

        open_breaker(begin > now ? begin : now, 0);
    }
    return RESIL_OK;
}

static void record(int i)
{
    struct resil_result result = {.outcome = RESIL_SUCCESS};
    int rc;

    if (test_below(&rng, 100) < 40)
        result.outcome = (enum resil_outcome)test_below(&rng, RESIL_OUTCOMES);
    if (test_below(&rng, 2) == 0)
        result.hint_ns = test_below(&rng, RESIL_SEC(20));
    rc = resil_breaker_record(&breaker, &permits[i].permit, now, &result);
    CHECK(rc, model_record(i, &result));
    permits[i].live = false;
    CHECK(resil_breaker_record(&breaker, &permits[i].permit, now, &result), RESIL_EINVAL);
}

static void operate(void)
{
    static const enum resil_breaker_state states[] = {
        RESIL_BREAKER_CLOSED, RESIL_BREAKER_FORCED_OPEN, RESIL_BREAKER_DISABLED,
        RESIL_BREAKER_METRICS_ONLY};
    enum resil_breaker_mode mode = (enum resil_breaker_mode)test_below(&rng, 4);

    if (test_below(&rng, 3) == 0) {
        CHECK(resil_breaker_reset(&breaker), RESIL_OK);
        enter(RESIL_BREAKER_CLOSED);
        model.trips = 0;
        return;
    }
    CHECK(resil_breaker_force(&breaker, mode, now), RESIL_OK);
    if (mode == RESIL_BREAKER_MODE_AUTOMATIC ? model.state < RESIL_BREAKER_FORCED_OPEN
                                             : model.state == states[mode])
        return;
    enter(states[mode]);
    model.trips = 0;
}

static void compare(void)
{
    struct resil_breaker_snapshot is;
    uint64_t calls, failures, slow, out = 0, good = 0, bad = 0;

    CHECK(resil_breaker_snapshot(&breaker, now, &is), RESIL_OK);
    for (int i = 0; i < 10; i++) {
        out += model.slots[i].is == OUT;
        good += model.slots[i].is == GOOD;
        bad += model.slots[i].is == BAD;
    }
    window_sum(&calls, &failures, &slow);
    CHECK(is.state, model.state);
    CHECK(is.generation, model.generation);
    CHECK(is.probes_in_flight, out);
    CHECK(is.probes_succeeded, good);
    CHECK(is.probes_failed, bad);
    CHECK(is.trips, model.trips);
    CHECK(is.calls, calls);
    CHECK(is.failures, failures);
    CHECK(is.slow, slow);
    CHECK(is.consecutive, model.streak);
    CHECK(is.opened_total, model.opened);
    CHECK(is.closed_total, model.closed);
    CHECK(is.late_total, model.late);
}

static struct resil_breaker_config draw(void)
{
    return (struct resil_breaker_config){
        .slices = 1 + test_below(&rng, 12),
#ifndef STRIPES
        .calls = test_below(&rng, 2) == 0 ? 0 : 1 + test_below(&rng, 60),
#endif
        .failure_pct = 1 + test_below(&rng, 100),
        .calls_min = 1 + test_below(&rng, 1),
        .slow_ns = test_below(&rng, 2) * RESIL_MS(300),
        .slow_pct = 1 + test_below(&rng, 100),
        .consecutive = test_below(&rng, 8),
        .open_ns = 1 + test_below(&rng, RESIL_SEC(5)),
        .open_factor_pct = 100 + test_below(&rng, 200),
        .open_ns_max = RESIL_SEC(5) + test_below(&rng, RESIL_SEC(10)),
        .jitter_pct = RESIL_OFF,
        .hint_ns_max = RESIL_SEC(10),
        .probes = 1 + test_below(&rng, 10),
        .probe_success_pct = 1 + test_below(&rng, 100),
        .probe_lease_ns = RESIL_MS(1) + test_below(&rng, RESIL_SEC(5)),
        .probe_gap_ns = test_below(&rng, 2) == 0 ? RESIL_OFF : 1 + test_below(&rng, RESIL_SEC(1)),
    };
}

static void step_time(void)
{
    switch (test_below(&rng, 8)) {
    case 0:
        now = latest + test_below(&rng, RESIL_SEC(1));
        break;
    case 1:
        now = latest - test_below(&rng, RESIL_SEC(1)); /* an older now */
        break;
    case 2:
        now = latest + test_below(&rng, RESIL_MS(50));
        break;
    default:
        now = latest + test_below(&rng, 3);
        break;
    }
    if (test_below(&rng, 2000) == 0)
        now = latest + test_below(&rng, RESIL_SEC(100));
}

static void begin(void)
{
    latest = RESIL_SEC(5000) + test_below(&rng, RESIL_SEC(10));
    memset(&model, 0, sizeof model);
    memset(permits, 0, sizeof permits);
    model.config = draw();
    model.config.calls_min =
        1 + test_below(&rng, model.config.calls != 0 ? model.config.calls : 30);
    if (test_below(&rng, 2) == 0)
        model.config.failures =
            1 + test_below(&rng, model.config.calls != 0 ? model.config.calls : 9);
    model.config.window_ns = model.config.slices * RESIL_MS(10 + test_below(&rng, 500));
    model.generation = 1;
    model.state = RESIL_BREAKER_CLOSED;
    now = latest;
    operation = 0;
#ifdef STRIPES
    CHECK(resil_breaker_init_striped(&breaker, sizeof striped, &model.config, STRIPES), RESIL_OK);
#else
    CHECK(resil_breaker_init(&breaker, &model.config), RESIL_OK);
#endif
}

static void step(void)
{
    int i = (int)test_below(&rng, PERMITS);

    step_time();
    /* A now that lies two windows back is a clock that was set back: not modelled. */
    if (now + model.config.window_ns < latest)
        now = latest;
#ifdef STRIPES
    /* Nor what is too old: a stripe that is behind still takes it. */
    if (now / width() + model.config.slices <= latest / width())
        now = latest;
    test_cpu = (int32_t)test_below(&rng, STRIPES + 1) - 1;
    test_cpu_asked = (uint32_t)test_below(&rng, UINT32_MAX);
#endif
    latest = now > latest ? now : latest;
    if (test_below(&rng, 3000) == 0)
        operate();
    else if (permits[i].live && test_below(&rng, 100) == 0)
        permits[i].live = false; /* dropped: never reported */
    else if (permits[i].live)
        record(i);
    else
        acquire(i);
    if (test_below(&rng, 4) == 0)
        compare();
}

static const struct model_subject subject = {begin, step, &rng};

static void breaker_does_what_the_model_does(void **state)
{
    (void)state;
    seed = test_seed(20250);
    for (unsigned done = 0; done < 6 * STEPS; done += 500)
        model_run(&subject, seed + done, done % 5000 == 0 ? 5000 : 500);
}

static void longer_leases_are_found(void **state)
{
    (void)state;
    seed = 20250;
    too_long_ns = RESIL_MS(100);
    model_finds(&subject, seed, STEPS, 400, "leases that last longer");
    too_long_ns = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longer_leases_are_found),
        cmocka_unit_test(breaker_does_what_the_model_does),
    };

    return cmocka_run_group_tests_name("breaker model", tests, NULL, NULL);
}
