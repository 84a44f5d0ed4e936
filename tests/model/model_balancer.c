/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The balancer against plain arrays: who is in the list, who has how many calls in flight, how long
 * its streak is, until when it is ejected. From these follows who may be picked at this moment, and
 * every pick has to be one of them. The interval rules and panic are off; consecutive failures, cap,
 * health, admin, weights of 0, exclusion, lists and time are on.
 */
#include "shrink.h"

#include <resil/resil.h>

#define ADDRESSES 24
#define PICKS     64
#define INTERVAL  RESIL_SEC(5)

#define OPERATIONS MODEL_OPERATIONS(1200000, 100000)

struct host {
    bool listed, known; /* known: in the list, or in flight since */
    uint64_t id, in_flight, weight;
    uint64_t streak, local_streak, calls; /* calls: reports of this interval that count */
    uint64_t back_ns, ejections, ejected_ns;
    bool ejected, down, down_seen;
    enum resil_endpoint_admin admin;
};

/* What is wrong with the arrays, on purpose. */
enum fault {
    SOUND,
    STREAK_LONGER, /* ejects later */
    CAP_HIGHER,    /* ejects more */
    BACK_SOONER,   /* 1 ns */
    RETURN_KEEPS,  /* the streak, when an ejection ends */
    WEIGHT_SERVES, /* who has none serves all the same */
    LEAVER_LOST,   /* who comes back while in flight is another */
    FAULTS
};

struct bench {
    uint64_t seed, random, operation;
    struct resil_balancer lb;
    struct resil_balancer_config config;
    struct resil_allocator allocator;
    struct host hosts[ADDRESSES];
    char names[ADDRESSES][8];
    int order[ADDRESSES]; /* of the list */
    size_t count;
    struct resil_pick picks[PICKS];
    int picked[PICKS];
    size_t held;
    uint64_t now_ns, sweep_ns, bytes, seen_ids;
    uint64_t refused, ejections, reused;
    enum fault fault;
};

#define AGREE(bench, condition) MODEL_CHECK(bench, condition)

/* All that the balancer has, so that the next one begins with nothing. */
struct block {
    struct block *next, **link;
};

static struct block *blocks;

static void *allocate(void *arg, size_t bytes, size_t alignment)
{
    struct bench *bench = arg;
    struct block *block = aligned_alloc(64, 64 + (bytes + 63) / 64 * 64);

    if (block == NULL || alignment > 64)
        abort();
    bench->bytes += bytes;
    *block = (struct block){blocks, &blocks};
    if (blocks != NULL)
        blocks->link = &block->next;
    blocks = block;
    return (char *)block + 64;
}

static void free_block(struct block *block)
{
    *block->link = block->next;
    if (block->next != NULL)
        block->next->link = block->link;
    free(block);
}

static void release(void *arg, void *memory, size_t bytes)
{
    struct bench *bench = arg;

    bench->bytes -= bytes;
    if (memory != NULL)
        free_block((struct block *)(void *)((char *)memory - 64));
}

static bool is_up(const struct host *host)
{
    return host->listed && !host->ejected && !host->down_seen && host->admin == RESIL_ADMIN_SERVE;
}

/* Up, and has a weight unless nobody has one. */
static bool may_serve(const struct bench *bench, const struct host *host)
{
    bool weights = false;

    for (size_t i = 0; i < bench->count && bench->fault != WEIGHT_SERVES; i++)
        weights = weights || bench->hosts[bench->order[i]].weight != 0;
    return is_up(host) && (host->weight != 0 || !weights);
}

static bool is_excluded(const struct resil_pick_request *request, const struct host *host)
{
    for (size_t i = 0; i < request->excluded_count; i++)
        if (request->excluded[i] == host->id)
            return true;
    return false;
}

/* The longest streak of calls that were never sent; the first in the list of equal ones. */
static struct host *worst_local(struct bench *bench)
{
    struct host *worst = NULL;

    for (size_t i = 0; i < bench->count; i++) {
        struct host *host = &bench->hosts[bench->order[i]];

        if (!host->ejected && host->admin == RESIL_ADMIN_SERVE && host->local_streak >= 2 &&
            (worst == NULL || host->local_streak > worst->local_streak))
            worst = host;
    }
    return worst;
}

/* The sweeps, as outlier.h tells of them: by the streaks, so many as the cap has left, the longest
   first. Needs no ties: streaks that tie go by the list. */
static void eject(struct bench *bench)
{
    size_t hosts = 0, ejected = 0;
    size_t places;

    for (size_t i = 0; i < bench->count; i++) {
        hosts += bench->hosts[bench->order[i]].admin == RESIL_ADMIN_SERVE;
        ejected += bench->hosts[bench->order[i]].admin == RESIL_ADMIN_SERVE &&
                   bench->hosts[bench->order[i]].ejected;
    }
    places = hosts < 2 ? 0 : hosts * 40 / 100 > 1 ? hosts * 40 / 100 : 1;
    places += bench->fault == CAP_HIGHER && places > 0;
    while (ejected < places) {
        struct host *worst = NULL;

        for (size_t i = 0; i < bench->count; i++) {
            struct host *host = &bench->hosts[bench->order[i]];

            if (!host->ejected && host->admin == RESIL_ADMIN_SERVE &&
                host->streak >= (bench->fault == STREAK_LONGER ? 4u : 3u) &&
                (worst == NULL || host->streak > worst->streak))
                worst = host;
        }
        if (worst == NULL)
            worst = worst_local(bench);
        if (worst == NULL)
            return;
        worst->ejections += worst->ejections < 10;
        worst->ejected = true;
        worst->ejected_ns = RESIL_SEC(30) * worst->ejections;
        worst->back_ns = bench->now_ns + worst->ejected_ns - (bench->fault == BACK_SOONER);
        worst->streak = worst->local_streak = 0;
        bench->ejections++;
        ejected++;
    }
}

static void sweep_interval(struct bench *bench)
{
    for (size_t i = 0; i < bench->count; i++) {
        struct host *host = &bench->hosts[bench->order[i]];

        if (host->calls == 0)
            host->streak = host->local_streak = 0;
        host->calls = 0;
        if (!host->ejected && host->ejections > 0)
            host->ejections--;
    }
}

/* What a tick does, whether by itself or as part of an update. */
static void ticked(struct bench *bench)
{
    eject(bench);
    if (bench->now_ns >= bench->sweep_ns || bench->sweep_ns - bench->now_ns > INTERVAL) {
        sweep_interval(bench);
        eject(bench);
        bench->sweep_ns = bench->now_ns + INTERVAL;
    }
    for (size_t i = 0; i < bench->count; i++) {
        struct host *host = &bench->hosts[bench->order[i]];

        if (host->ejected && host->back_ns > bench->now_ns + host->ejected_ns)
            host->back_ns = bench->now_ns + host->ejected_ns;
        if (host->ejected && bench->now_ns >= host->back_ns) {
            host->ejected = false;
            if (bench->fault != RETURN_KEEPS)
                host->streak = host->local_streak = 0;
        }
        host->down_seen = host->down;
    }
}

static void tick(struct bench *bench)
{
    uint64_t next_ns;

    AGREE(bench, resil_balancer_tick(&bench->lb, bench->now_ns, &next_ns) == RESIL_OK);
    AGREE(bench, next_ns == 0 || next_ns <= bench->now_ns + INTERVAL);
}

static void list_drawn(struct bench *bench, struct resil_endpoint *endpoints)
{
    bool weights = test_below(&bench->random, 3) == 0;

    bench->count = 0;
    for (int i = 0; i < ADDRESSES; i++)
        bench->hosts[i].listed = false;
    for (size_t n = 1 + test_below(&bench->random, ADDRESSES); n > 0; n--) {
        int i = (int)test_below(&bench->random, ADDRESSES);

        if (bench->hosts[i].listed)
            continue;
        bench->hosts[i].listed = true;
        bench->hosts[i].weight = weights ? test_below(&bench->random, 3) : 0;
        endpoints[bench->count] = (struct resil_endpoint){
            .address = bench->names[i], .weight = bench->hosts[i].weight, .user = &bench->hosts[i]};
        bench->order[bench->count++] = i;
    }
}

/* Who stays is the same; who left with nothing in flight is forgotten, by the next update at the
   latest, and comes back as another. */
static void compare(struct bench *bench)
{
    struct resil_balancer_snapshot all;
    uint64_t in_flight = 0, ejected = 0, up = 0;

    AGREE(bench, resil_balancer_snapshot(&bench->lb, &all) == RESIL_OK);
    AGREE(bench, all.endpoints == bench->count && all.memory == bench->bytes);
    for (size_t i = 0; i < bench->count; i++) {
        struct host *host = &bench->hosts[bench->order[i]];
        struct resil_endpoint_snapshot is;

        AGREE(bench, resil_balancer_endpoint(&bench->lb, i, bench->now_ns, &is) == RESIL_OK);
        AGREE(bench, strcmp(is.address, bench->names[bench->order[i]]) == 0);
        if (!host->known) {
            AGREE(bench, is.id > bench->seen_ids);
            host->id = is.id;
            host->known = true;
        }
        AGREE(bench, is.id == host->id);
        AGREE(bench, is.in_flight == host->in_flight && is.weight == host->weight);
        AGREE(bench, is.ejections == host->ejections);
        AGREE(bench, is.back_ns == (host->ejected ? host->back_ns : 0));
        ejected += is.state == RESIL_ENDPOINT_EJECTED;
        up += is.state == RESIL_ENDPOINT_UP;
    }
    for (int i = 0; i < ADDRESSES; i++) {
        in_flight += bench->hosts[i].in_flight;
        if (bench->hosts[i].known && bench->hosts[i].id > bench->seen_ids)
            bench->seen_ids = bench->hosts[i].id;
    }
    AGREE(bench, all.in_flight == in_flight && all.ejected == ejected && all.up == up);
}

/* Lists that are made anew forget who left before them. */
static void forget(struct bench *bench)
{
    for (int i = 0; i < ADDRESSES; i++)
        if (!bench->hosts[i].listed &&
            (bench->hosts[i].in_flight == 0 || bench->fault == LEAVER_LOST))
            bench->hosts[i] = (struct host){.known = false};
}

static void update(struct bench *bench)
{
    struct resil_endpoint endpoints[ADDRESSES];

    forget(bench);
    list_drawn(bench, endpoints);
    AGREE(bench,
          resil_balancer_update(&bench->lb, endpoints, bench->count, bench->now_ns) == RESIL_OK);
    ticked(bench);
    compare(bench);
}

static void pick(struct bench *bench)
{
    struct resil_pick_request request = {.key = test_random(&bench->random),
                                         .random = test_random(&bench->random) | 1,
                                         .no_reuse = test_below(&bench->random, 2) != 0};
    uint64_t excluded[ADDRESSES];
    struct resil_pick *pick = &bench->picks[bench->held];
    size_t able = 0, left = 0;
    int rc;

    if (bench->held == PICKS)
        return;
    if (bench->count > 0 && test_below(&bench->random, 3) == 0)
        for (size_t n = test_below(&bench->random, bench->count + 1); n > 0; n--)
            excluded[request.excluded_count++] =
                bench->hosts[bench->order[test_below(&bench->random, bench->count)]].id;
    request.excluded = excluded;
    for (size_t i = 0; i < bench->count; i++) {
        const struct host *host = &bench->hosts[bench->order[i]];

        able += may_serve(bench, host);
        left += may_serve(bench, host) && !is_excluded(&request, host);
    }
    rc = resil_balancer_pick(&bench->lb, &request, bench->now_ns, pick);
    AGREE(bench, rc == (left > 0 || (able > 0 && (request.excluded_count == 0 || !request.no_reuse))
                            ? RESIL_OK
                            : RESIL_EUNAVAILABLE));
    bench->refused += rc != RESIL_OK;
    if (rc != RESIL_OK)
        return;
    bench->picked[bench->held++] = (int)((struct host *)pick->user - bench->hosts);
    {
        struct host *host = pick->user;

        AGREE(bench, may_serve(bench, host) && pick->id == host->id);
        AGREE(bench, pick->reused == (left == 0) && !pick->panic);
        AGREE(bench, left == 0 || !is_excluded(&request, host));
        host->in_flight++;
        bench->reused += pick->reused;
    }
}

static void report(struct bench *bench)
{
    static const enum resil_outcome outcomes[] = {RESIL_SUCCESS, RESIL_SUCCESS,  RESIL_CALLER,
                                                  RESIL_FAILURE, RESIL_TIMEOUT,  RESIL_PERMANENT,
                                                  RESIL_FAILURE, RESIL_NOT_SENT, RESIL_NOT_SENT,
                                                  RESIL_LOCAL,   RESIL_OVERLOAD, RESIL_CANCELLED};
    enum resil_outcome outcome = outcomes[test_below(&bench->random, 12)];
    size_t at;
    struct host *host;

    if (bench->held == 0)
        return;
    at = test_below(&bench->random, bench->held);
    host = &bench->hosts[bench->picked[at]];
    AGREE(bench, strcmp(bench->picks[at].address, bench->names[bench->picked[at]]) == 0);
    AGREE(bench, resil_balancer_report(&bench->lb, &bench->picks[at], outcome,
                                       test_below(&bench->random, RESIL_SEC(1)),
                                       bench->now_ns) == RESIL_OK);
    bench->held--;
    bench->picks[at] = bench->picks[bench->held];
    bench->picked[at] = bench->picked[bench->held];
    host->in_flight--;
    if (outcome == RESIL_SUCCESS || outcome == RESIL_CALLER)
        host->streak = host->local_streak = 0;
    host->streak +=
        outcome == RESIL_FAILURE || outcome == RESIL_TIMEOUT || outcome == RESIL_PERMANENT;
    host->local_streak += outcome == RESIL_NOT_SENT;
    host->calls +=
        outcome != RESIL_LOCAL && outcome != RESIL_OVERLOAD && outcome != RESIL_CANCELLED;
}

static void check_health(struct bench *bench)
{
    struct host *host = &bench->hosts[bench->order[test_below(&bench->random, bench->count)]];
    bool healthy = test_below(&bench->random, 3) != 0;

    AGREE(bench, resil_balancer_health(&bench->lb, host->id, healthy, bench->now_ns) == RESIL_OK);
    if (host->down && healthy)
        host->streak = host->local_streak = 0;
    host->down = !healthy;
}

static void set_aside(struct bench *bench)
{
    int i = bench->order[test_below(&bench->random, bench->count)];
    enum resil_endpoint_admin admin =
        (enum resil_endpoint_admin)(test_below(&bench->random, 2) * test_below(&bench->random, 3));

    AGREE(bench,
          resil_balancer_admin(&bench->lb, bench->names[i], admin, bench->now_ns) == RESIL_OK);
    if (bench->hosts[i].admin != RESIL_ADMIN_SERVE && admin == RESIL_ADMIN_SERVE)
        bench->hosts[i].streak = bench->hosts[i].local_streak = 0;
    bench->hosts[i].admin = admin;
    ticked(bench);
}

static void reconfigure(struct bench *bench)
{
    const struct resil_picker *pickers[] = {
        resil_picker_round_robin(), resil_picker_smooth_weighted(), resil_picker_random(),
        resil_picker_peak_ewma(),   resil_picker_least_requests(),  resil_picker_bounded_load(),
        resil_picker_rendezvous(),  resil_picker_weighted_random(), resil_picker_prequal(),
    };

    forget(bench);
    bench->config.picker = pickers[test_below(&bench->random, 9)];
    AGREE(bench, resil_balancer_reconfigure(&bench->lb, &bench->config, bench->now_ns) == RESIL_OK);
    ticked(bench);
}

/* Time passes, sometimes long, and rarely goes back. Then a tick that is due. */
static void pass_time(struct bench *bench)
{
    uint64_t way = test_below(&bench->random, 100);

    if (way == 0)
        bench->now_ns -= RESIL_SEC(3600);
    else if (way < 10)
        bench->now_ns += test_below(&bench->random, RESIL_SEC(100));
    else
        bench->now_ns += test_below(&bench->random, RESIL_SEC(1));
    /* By hand: at once, wherever the clock is. */
    AGREE(bench,
          resil_balancer_admin(&bench->lb, bench->names[bench->order[0]],
                               bench->hosts[bench->order[0]].admin, bench->now_ns) == RESIL_OK);
    ticked(bench);
    tick(bench);
}

static void step(struct bench *bench)
{
    switch (test_below(&bench->random, 64)) {
    case 0:
        update(bench);
        break;
    case 1:
        check_health(bench);
        pass_time(bench);
        break;
    case 2:
        set_aside(bench);
        break;
    case 3:
        if (test_below(&bench->random, 8) == 0)
            reconfigure(bench);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        pass_time(bench);
        break;
    default:
        if (test_below(&bench->random, 2) != 0)
            pick(bench);
        else
            report(bench);
    }
}

static struct bench shared;

static void begin(void)
{
    struct bench *bench = &shared;

    while (blocks != NULL)
        free_block(blocks);
    *bench = (struct bench){
        .random = bench->random, .fault = bench->fault, .now_ns = RESIL_SEC(1000000)};
    bench->allocator = (struct resil_allocator){
        .size = sizeof bench->allocator, .arg = bench, .allocate = allocate, .release = release};
    bench->config = (struct resil_balancer_config){
        .allocator = &bench->allocator,
        .seed = 1 + test_random(&bench->random) % 1000,
        .outlier = {.consecutive = 3,
                    .consecutive_local = 2,
                    .failure_pct = RESIL_OFF,
                    .success_rate_factor_pct = RESIL_OFF,
                    .jitter_pct = RESIL_OFF,
                    .max_ejected_pct = 40,
                    .interval_ns = INTERVAL},
        .priority = {.panic_pct = RESIL_OFF, .recovery_ns = RESIL_OFF},
    };
    for (int i = 0; i < ADDRESSES; i++)
        (void)snprintf(bench->names[i], sizeof bench->names[i], "h%d", i);
    assert_int_equal(resil_balancer_init(&bench->lb, &bench->config), RESIL_OK);
    update(bench);
}

static void step_shared(void)
{
    step(&shared);
    if (test_below(&shared.random, 16) == 0)
        compare(&shared);
}

static const struct model_subject model = {begin, step_shared, &shared.random};

static void agrees_with_plain_arrays(void **state)
{
    (void)state;
    model_run(&model, test_seed(0x1b), OPERATIONS);
    while (shared.held > 0)
        report(&shared);
    if (getenv("RESIL_OPERATIONS") == NULL)
        assert_true(shared.refused > 100 && shared.ejections > 1000 && shared.reused > 100);
    assert_int_equal(resil_balancer_fini(&shared.lb), RESIL_OK);
    assert_int_equal(shared.bytes, 0);
    assert_null(blocks);
}

static void finds_arrays_that_are_wrong(void **state)
{
    static const char *const faults[FAULTS] = {
        [STREAK_LONGER] = "ejected later",    [CAP_HIGHER] = "more are ejected",
        [BACK_SOONER] = "back 1 ns sooner",   [RETURN_KEEPS] = "a streak that lasts",
        [WEIGHT_SERVES] = "no weight serves", [LEAVER_LOST] = "who left is another"};

    (void)state;
    for (int fault = SOUND + 1; fault < FAULTS; fault++) {
        shared.fault = (enum fault)fault;
        model_finds(&model, 0x1b, OPERATIONS, 200, faults[fault]);
    }
    while (blocks != NULL)
        free_block(blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_plain_arrays),
        cmocka_unit_test(finds_arrays_that_are_wrong),
    };

    return cmocka_run_group_tests_name("balancer model", tests, NULL, NULL);
}
