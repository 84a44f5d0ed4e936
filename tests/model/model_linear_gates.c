/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Bulkhead, retry budget and breaker: what three threads are answered is what one thread would have
 * been, doing the same in some order.
 */
#include "test.h"

#include "linear.h"

#include "../../src/bulkhead/bulkhead.c"
#include "../../src/retry/budget.c"
#include "../../src/retry/budget_config.c"

#define store_rules breaker_store_rules
#include "breaker_source.h"
#undef store_rules

#if defined(__SANITIZE_ADDRESS__)
#define HISTORIES 2000
#else
#define HISTORIES 15000
#endif

#define NOW RESIL_SEC(1000)

static uint64_t seed;

static void draw(struct linear_op *op, uint64_t *random)
{
    op->kind = (unsigned)test_below(random, 16);
    op->n = 1 + test_below(random, 2);
    op->now_ns = NOW + test_below(random, 4) * RESIL_MS(500);
}

/* Releases alone of what a thread has: one that gives back more is a wrong program. */
static struct {
    struct resil_bulkhead bulkhead;
    uint64_t held[LINEAR_THREADS];
} room;

static void room_set_up(void)
{
    (void)resil_bulkhead_init(&room.bulkhead, &(struct resil_bulkhead_config){.limit = 2});
}

static uint64_t room_apply(const struct linear_op *op)
{
    struct resil_bulkhead_snapshot now = {0};
    uint64_t *held = &room.held[op->thread];
    int rc;

    if (op->kind >= 14) {
        (void)resil_bulkhead_snapshot(&room.bulkhead, &now);
        return now.in_flight;
    }
    if (op->kind < 7 || *held == 0) {
        rc = resil_bulkhead_acquire(&room.bulkhead);
        *held += rc == RESIL_OK;
    } else {
        rc = resil_bulkhead_release(&room.bulkhead);
        (*held)--;
    }
    return (uint64_t)rc;
}

static uint64_t room_look(void)
{
    return room.bulkhead.word_;
}

static void bulkhead_is_linearizable(void **state)
{
    const struct linear_subject is = {"bulkhead", &room,      sizeof room, room_set_up,
                                      draw,       room_apply, room_look,   NULL};

    (void)state;
    linear_check(&is, seed, HISTORIES);
    linear_finds(&is,
                 (struct fault){"resil__bulkhead_acquire_from", &room.bulkhead.word_, FAULT_BLIND},
                 seed, HISTORIES);
}

static struct resil_budget budget;

static void budget_set_up(void)
{
    struct resil_budget_config config = {.share_pct = 50, .min_period_ns = RESIL_SEC(2), .cap = 3};

    (void)resil_budget_init(&budget, &config);
    (void)resil_budget_withdraw(&budget, 2, NOW);
}

static uint64_t budget_apply(const struct linear_op *op)
{
    struct resil_budget_snapshot now = {0};

    if (op->kind < 6) {
        resil_budget_deposit(&budget, op->now_ns);
        return 0;
    }
    if (op->kind < 14)
        return (uint64_t)resil_budget_withdraw(&budget, op->n, op->now_ns);
    (void)resil_budget_snapshot(&budget, op->now_ns, &now);
    return now.balance_pct;
}

static uint64_t budget_look(void)
{
    return budget.word_;
}

static void budget_is_linearizable(void **state)
{
    const struct linear_subject is = {"budget", &budget,      sizeof budget, budget_set_up,
                                      draw,     budget_apply, budget_look,   NULL};

    (void)state;
    linear_check(&is, seed + 1, HISTORIES);
    linear_finds(&is, (struct fault){"resil_budget_withdraw", &budget.word_, FAULT_BLIND}, seed + 1,
                 HISTORIES);
}

/* A breaker that opens at two failures, for longer than this lasts, and a permit for each thread. */
static struct {
    struct resil_breaker breaker;
    struct resil_permit own[LINEAR_THREADS];
} gate;

enum did {
    ASKED = 0x100,
    FAILED = 0x200,
    PASSED = 0x300,
    LOOKED = 0x400,
};

static void gate_set_up(void)
{
    struct resil_breaker_config config = {.calls = 32,
                                          .failure_pct = RESIL_OFF,
                                          .failures = 2,
                                          .open_ns = RESIL_SEC(60),
                                          .jitter_pct = RESIL_OFF};

    (void)resil_breaker_init(&gate.breaker, &config);
}

/* A call that asks, or what became of it. */
static uint64_t gate_apply(const struct linear_op *op)
{
    static const struct resil_result good = {.outcome = RESIL_SUCCESS};
    static const struct resil_result bad = {.outcome = RESIL_FAILURE};
    struct resil_permit *own = &gate.own[op->thread];
    struct resil_breaker_snapshot now = {0};

    if (op->kind >= 14) {
        (void)resil_breaker_snapshot(&gate.breaker, op->now_ns, &now);
        return LOOKED | (uint64_t)now.state;
    }
    if ((own->token_ & RESIL__TOKEN_LIVE) == 0)
        return ASKED | (uint8_t)resil_breaker_acquire(&gate.breaker, op->now_ns, own);
    if (op->kind < 9)
        return PASSED | (uint8_t)resil_breaker_record(&gate.breaker, own, op->now_ns, &good);
    return FAILED | (uint8_t)resil_breaker_record(&gate.breaker, own, op->now_ns, &bad);
}

static uint64_t gate_look(void)
{
    struct resil_breaker_snapshot now = {0};

    (void)resil_breaker_snapshot(&gate.breaker, NOW, &now);
    return now.generation;
}

/* The second failure that counted, by when it began or ended; never, if there are fewer. */
static unsigned second_failure(bool by_end)
{
    unsigned first = UINT32_MAX, second = UINT32_MAX;

    for (int i = 0; i < LINEAR_ALL; i++) {
        unsigned at = by_end ? linear.ops[i].to : linear.ops[i].from;

        if (!linear_did(i, FAILED | RESIL_OK))
            continue;
        if (at < first) {
            second = first;
            first = at;
        } else if (at < second) {
            second = at;
        }
    }
    return second;
}

/*
 * A result counts first, and is judged then: two that come together may both be the second. So
 * there need be no order. What holds: the trip stands when the record that is the second failure
 * has returned, and doesn't before it is called; whoever asks between the two may hear either.
 */
static bool gate_bound(void)
{
    unsigned opening = second_failure(false), open = second_failure(true);

    for (int i = 0; i < LINEAR_ALL; i++) {
        const struct linear_op *op = &linear.ops[i];
        bool says_open = linear_did(i, ASKED | (uint8_t)RESIL_EOPEN) ||
                         linear_did(i, FAILED | (uint8_t)RESIL_ELATE) ||
                         linear_did(i, PASSED | (uint8_t)RESIL_ELATE) ||
                         linear_did(i, LOOKED | RESIL_BREAKER_OPEN);

        if (linear.keep[i] && op->from > open && !says_open)
            return false;
        if (linear.keep[i] && op->to < opening && says_open)
            return false;
    }
    return linear.last == (open == UINT32_MAX ? 1 : 2);
}

static void breaker_opens_once_and_in_time(void **state)
{
    const struct linear_subject is = {"breaker", &gate,      sizeof gate, gate_set_up,
                                      draw,      gate_apply, gate_look,   gate_bound};

    (void)state;
    linear_check(&is, seed + 2, HISTORIES);
    linear_finds(&is, (struct fault){"judge_and_trip", &gate.breaker.word_, FAULT_LOST}, seed + 2,
                 HISTORIES);
    linear_finds(&is, (struct fault){"resil__ring_add", &gate.breaker.totals_, FAULT_BLIND},
                 seed + 2, HISTORIES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bulkhead_is_linearizable),
        cmocka_unit_test(budget_is_linearizable),
        cmocka_unit_test(breaker_opens_once_and_in_time),
    };

    seed = test_seed(4711);
    return cmocka_run_group_tests_name("linearizable gates", tests, NULL, NULL);
}
