/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Operations over a random chain, twice: in blocking code, and stepped from a loop in a second
 * world. Both must report the same and leave the same words in every primitive, as in the model of
 * the policies (tests/model); what the callback sees and the report counts must be within what the
 * chain's configs allow.
 */
#include "pump.h"
#include "world.h"

/* Has the world's chain this policy, or more of its kind? */
static unsigned levels_of(const struct world *world, const char *name)
{
    unsigned levels = 0;

    for (size_t i = 0; i < world->count; i++)
        levels += strcmp(world->policies[i].ops->name, name) == 0;
    return levels;
}

/* What holds while the operation runs. */
static void check_inside(struct world *world, const struct resil_attempt *attempt)
{
    struct resil_bulkhead_snapshot bulkhead;

    FUZZ_CHECK(attempt->id != 0);
    if (attempt->kind == RESIL_ATTEMPT_FALLBACK) {
        FUZZ_CHECK(levels_of(world, "fallback") > 0);
        FUZZ_CHECK(attempt->reason != RESIL_NONE && attempt->reason != RESIL_SUCCESS);
        return;
    }
    FUZZ_CHECK(attempt->kind == RESIL_ATTEMPT_NORMAL && attempt->number == world->runs);
    FUZZ_CHECK(attempt->deadline_ns > attempt->now_ns && attempt->now_ns <= world->env.now_ns);
    FUZZ_CHECK(world->request.deadline_ns == 0 ||
               attempt->deadline_ns <= world->request.deadline_ns);
    FUZZ_CHECK(resil_bulkhead_snapshot(&world->words.bulkhead, &bulkhead) == RESIL_OK);
    FUZZ_CHECK(bulkhead.in_flight <= bulkhead.limit || world->held > bulkhead.limit);
    FUZZ_CHECK(bulkhead.in_flight == world->held + levels_of(world, "bulkhead"));
}

static enum resil_outcome callback(void *arg, struct resil_attempt *attempt)
{
    struct world *world = arg;

    if (attempt->kind == RESIL_ATTEMPT_FALLBACK)
        world->fallbacks++;
    else
        world->runs++;
    check_inside(world, attempt);
    world->env.now_ns += take_below(&world->bytes, 150);
    if (take_below(&world->bytes, 4) == 0)
        attempt->hint_ns = take_below(&world->bytes, 300);
    return (enum resil_outcome)take_below(&world->bytes, RESIL_OUTCOMES + 1);
}

static int straight(struct world *world)
{
    return resil_chain_run(&world->chain, &world->env.env, &world->request, callback, world,
                           &world->report);
}

static int stepped(struct world *world)
{
    const struct pump pump = {&world->chain, &world->env, &world->request, callback, world, 0};

    return pump_call(&pump, &world->report);
}

static void check_report(const struct world *world, int rc)
{
    const struct resil_report *report = &world->report;
    unsigned retries = levels_of(world, "retry");
    uint64_t most = 1;

    for (unsigned i = 0; i < retries; i++)
        most *= ATTEMPTS;
    FUZZ_CHECK(report->status == rc && (rc == RESIL_OK) == (report->outcome == RESIL_SUCCESS));
    FUZZ_CHECK(rc == RESIL_OK || rc == RESIL_EFAILED || rc == RESIL_ECOST ||
               resil_status_is_refusal(rc));
    FUZZ_CHECK(report->attempts == world->runs && world->runs <= most);
    FUZZ_CHECK((report->decided_by == NULL) == (report->decided_level == UINT32_MAX));
    FUZZ_CHECK(report->decided_by == NULL ||
               strcmp(report->decided_by, world->policies[report->decided_level].ops->name) == 0);
    FUZZ_CHECK(report->elapsed_ns <= world->env.now_ns - world->begin_ns);
}

static int run(struct world *world, bool steps)
{
    int rc;

    world->begin_ns = world->env.now_ns;
    world->runs = world->fallbacks = 0;
    rc = steps ? stepped(world) : straight(world);
    check_report(world, rc);
    world_check_empty(world);
    return rc;
}

static int other(struct world *world)
{
    struct fuzz_bytes *bytes = &world->bytes;
    uint64_t retry_at_ns, now_ns = world->env.now_ns;
    int rc = RESIL_OK;

    switch (take_below(bytes, 9)) {
    case 0: /* years */
        world->env.now_ns += take(bytes, 4) << 25;
        break;
    case 1: /* back */
        world->env.now_ns -= take_below(bytes, 1000);
        break;
    case 2:
        rc = resil_bulkhead_acquire(&world->words.bulkhead);
        world->held += rc == RESIL_OK;
        break;
    case 3:
        rc = world->held > 0 ? resil_bulkhead_release(&world->words.bulkhead) : RESIL_EINVAL;
        world->held -= rc == RESIL_OK;
        break;
    case 4:
        rc = resil_bulkhead_reconfigure(
            &world->words.bulkhead,
            &(struct resil_bulkhead_config){.limit = 1 + take_below(bytes, 4)});
        break;
    case 5:
        rc = resil_limiter_acquire(&world->words.limiter[0], 1, now_ns, &retry_at_ns);
        break;
    case 6:
        rc = resil_breaker_force(&world->words.breaker[take_below(bytes, 2)],
                                 (enum resil_breaker_mode)take_below(bytes, 4), now_ns);
        break;
    case 7:
        world->request.deadline_ns =
            take_below(bytes, 2) != 0 ? now_ns + take_below(bytes, 2000) : 0;
        world->request.cost = take_below(bytes, 3);
        break;
    default:
        resil_limiter_drain(&world->words.limiter[1], take_below(bytes, 1000), now_ns);
        break;
    }
    return rc;
}

static void check_same(const struct world *a, const struct world *b)
{
    FUZZ_CHECK(memcmp(&a->words, &b->words, sizeof a->words) == 0);
    FUZZ_CHECK(a->env.now_ns == b->env.now_ns && a->bytes.left == b->bytes.left);
    FUZZ_CHECK(a->runs == b->runs && a->fallbacks == b->fallbacks && a->held == b->held);
    FUZZ_CHECK(a->report.outcome == b->report.outcome && a->report.status == b->report.status);
    FUZZ_CHECK(a->report.decided_level == b->report.decided_level);
    FUZZ_CHECK(a->report.stopped == b->report.stopped);
    FUZZ_CHECK(a->report.elapsed_ns == b->report.elapsed_ns);
    FUZZ_CHECK(a->report.retry_at_ns == b->report.retry_at_ns);
    FUZZ_CHECK(a->report.attempt_id == b->report.attempt_id);
    FUZZ_CHECK(a->report.late_success == b->report.late_success);
}

static void build(struct world *world, const uint8_t *data, size_t size)
{
    struct fuzz_bytes bytes = {.at = data, .left = size};

    world_init(world, &bytes);
    /* Blocking code never hedges: no hedge here. */
    FUZZ_CHECK(world_chain(world, &bytes, 13) == RESIL_OK);
    world->bytes = bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world a, b;

    build(&a, data, size);
    build(&b, data, size);
    for (unsigned i = 0; i < 32 && a.bytes.left > 0; i++) {
        bool call = take_below(&a.bytes, 2) == 0;

        (void)take_below(&b.bytes, 2);
        FUZZ_CHECK(call ? run(&a, false) == run(&b, true) : other(&a) == other(&b));
        check_same(&a, &b);
    }
    return 0;
}
