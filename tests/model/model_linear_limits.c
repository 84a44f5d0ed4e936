/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Limiter, pacer, window counter, log and keyed limiter: what three threads are answered is what
 * one thread would have been, doing the same in some order.
 */
#include "test.h"

#include <resil/keyed_limiter.h>
#include <resil/limiter.h>
#include <resil/log.h>
#include <resil/pacer.h>
#include <resil/window.h>

#include "linear.h"

#include "../../src/keyed/table.c"
#include "../../src/limiter/gcra.c"
#undef AGAIN
#define is_settled window_is_settled
#define judge      window_judge
#define make_slot  window_make_slot
#define write_slot window_write_slot
#include "../../src/limiter/window_counter.c"
#undef is_settled
#undef judge
#undef make_slot
#undef write_slot
#undef LIMIT_MAX
#define is_settled limiter_is_settled
#include "../../src/limiter/limiter.c"
#undef is_settled
#undef PERIOD_NS_MAX
#define make_slot pacer_make_slot
#define period_of pacer_period_of
#include "../../src/limiter/pacer.c"
#undef make_slot
#undef period_of
#include "../../src/limiter/keyed_limiter.c"
#include "../../src/limiter/keyed_limiter_config.c"
#include "../../src/limiter/keyed_limiter_look.c"
#undef PERIOD_NS_MAX
#include "../../src/limiter/log.c"

#if defined(__SANITIZE_ADDRESS__)
#define HISTORIES 2000
#else
#define HISTORIES 15000
#endif

#define NOW RESIL_SEC(1000)

enum kind {
    ACQUIRE,
    RESERVE,
    CANCEL,
    PEEK,
    DRAIN,
};

static uint64_t seed;

/* Half of a second's moments, so that a token comes back now and then; some are told an older
   time. */
static void draw(struct linear_op *op, uint64_t *random)
{
    static const unsigned kinds[] = {ACQUIRE, ACQUIRE, ACQUIRE, RESERVE,
                                     RESERVE, CANCEL,  CANCEL,  PEEK};

    op->kind = test_below(random, 40) == 0 ? DRAIN : kinds[test_below(random, 8)];
    op->n = 1 + test_below(random, 2);
    op->now_ns = NOW + test_below(random, 4) * RESIL_MS(500);
}

/* Without a drain: a call that is being decided when it comes may still pass (resil/window.h). */
static void draw_undrained(struct linear_op *op, uint64_t *random)
{
    do
        draw(op, random);
    while (op->kind == DRAIN);
}

/* Calls alone: a cancel may strike out a call behind which another is just being noted
   (resil/log.h). */
static void draw_calls(struct linear_op *op, uint64_t *random)
{
    do
        draw(op, random);
    while (op->kind != ACQUIRE && op->kind != RESERVE);
}

/* And looks. */
static void draw_looks(struct linear_op *op, uint64_t *random)
{
    do
        draw(op, random);
    while (op->kind == DRAIN || op->kind == CANCEL);
}

/* All at the same moment. */
static void draw_moment(struct linear_op *op, uint64_t *random)
{
    static uint64_t moment_ns;

    draw_looks(op, random);
    if (op == &linear.ops[0])
        moment_ns = op->now_ns;
    op->now_ns = moment_ns;
}

static uint64_t answer(int rc, uint64_t at_ns)
{
    return at_ns << 8 | (uint8_t)rc;
}

/* Each has three reservations beside it, one a thread. */
static struct {
    struct resil_limiter limiter;
    struct resil_reservation own[LINEAR_THREADS];
} limits;

static void limiter_set_up(void)
{
    struct resil_limiter_config config = {.tokens = 1, .burst = 4};

    (void)resil_limiter_init(&limits.limiter, &config);
    (void)resil_limiter_acquire(&limits.limiter, 2, NOW, NULL);
}

static uint64_t limiter_apply(const struct linear_op *op)
{
    struct resil_limiter *limiter = &limits.limiter;
    struct resil_reservation *own = &limits.own[op->thread];
    uint64_t at_ns = 0;
    int rc;

    switch (op->kind) {
    case ACQUIRE:
        rc = resil_limiter_acquire(limiter, op->n, op->now_ns, &at_ns);
        return answer(rc, rc == RESIL_OK ? 0 : at_ns);
    case RESERVE:
        rc = resil_limiter_reserve(limiter, op->n, op->now_ns, RESIL_SEC(1), own);
        return answer(rc, own->at_ns);
    case CANCEL:
        return answer(resil_limiter_cancel(limiter, own, op->now_ns), 0);
    case PEEK:
        rc = resil_limiter_peek(limiter, op->n, op->now_ns, &at_ns);
        return answer(rc, rc == RESIL_OK ? 0 : at_ns);
    default:
        resil_limiter_drain(limiter, RESIL_SEC(2), op->now_ns);
        return 0;
    }
}

static uint64_t limiter_look(void)
{
    struct resil_limiter_snapshot now;

    resil_limiter_snapshot(&limits.limiter, NOW + RESIL_SEC(2), &now);
    return answer((int)now.available, now.next_at_ns);
}

static void limiter_is_linearizable(void **state)
{
    const struct linear_subject is = {"limiter", &limits,       sizeof limits, limiter_set_up,
                                      draw,      limiter_apply, limiter_look,  NULL};

    (void)state;
    linear_check(&is, seed, HISTORIES);
    linear_finds(&is, (struct fault){"resil__gcra_swap", &limits.limiter.gcra_.word_, FAULT_BLIND},
                 seed, HISTORIES);
    linear_finds(&is,
                 (struct fault){"resil__gcra_give_back", &limits.limiter.gcra_.word_, FAULT_BLIND},
                 seed, HISTORIES);
}

static struct {
    struct resil_pacer pacer;
    struct resil_reservation own[LINEAR_THREADS];
} paces;

static void pacer_set_up(void)
{
    struct resil_pacer_config config = {.tokens = 2, .wait_ns = RESIL_SEC(2)};

    (void)resil_pacer_init(&paces.pacer, &config);
    (void)resil_pacer_acquire(&paces.pacer, 1, NOW, NULL);
}

static uint64_t pacer_apply(const struct linear_op *op)
{
    struct resil_reservation *own = &paces.own[op->thread];
    uint64_t at_ns = 0;
    int rc;

    switch (op->kind) {
    case ACQUIRE:
        rc = resil_pacer_acquire(&paces.pacer, op->n, op->now_ns, &at_ns);
        return answer(rc, rc == RESIL_OK ? 0 : at_ns);
    case RESERVE:
        rc = resil_pacer_reserve(&paces.pacer, op->n, op->now_ns, own);
        return answer(rc, own->at_ns);
    case CANCEL:
        return answer(resil_pacer_cancel(&paces.pacer, own, op->now_ns), 0);
    case PEEK:
        rc = resil_pacer_peek(&paces.pacer, op->n, op->now_ns, &at_ns);
        return answer(rc, rc == RESIL_OK ? 0 : at_ns);
    default:
        resil_pacer_drain(&paces.pacer, RESIL_SEC(2), op->now_ns);
        return 0;
    }
}

static uint64_t pacer_look(void)
{
    struct resil_pacer_snapshot now;

    resil_pacer_snapshot(&paces.pacer, NOW, &now);
    return now.next_at_ns;
}

static void pacer_is_linearizable(void **state)
{
    const struct linear_subject is = {"pacer", &paces,      sizeof paces, pacer_set_up,
                                      draw,    pacer_apply, pacer_look,   NULL};

    (void)state;
    linear_check(&is, seed + 1, HISTORIES);
    linear_finds(&is, (struct fault){"resil__gcra_take", &paces.pacer.gcra_.word_, FAULT_BLIND},
                 seed + 1, HISTORIES);
}

static struct {
    struct resil_window window;
    struct resil_reservation own[LINEAR_THREADS];
} windows;

static void window_set_up(void)
{
    (void)resil_window_init(&windows.window, &(struct resil_window_config){.limit = 4});
    (void)resil_window_acquire(&windows.window, 2, NOW - RESIL_MS(600), NULL);
}

static uint64_t window_apply(const struct linear_op *op)
{
    struct resil_reservation *own = &windows.own[op->thread];
    uint64_t at_ns = 0;
    int rc;

    switch (op->kind) {
    case ACQUIRE:
        rc = resil_window_acquire(&windows.window, op->n, op->now_ns, &at_ns);
        return answer(rc, rc == RESIL_OK ? 0 : at_ns);
    case RESERVE:
        rc = resil_window_reserve(&windows.window, op->n, op->now_ns, own);
        return answer(rc, own->at_ns);
    case CANCEL:
        return answer(resil_window_cancel(&windows.window, own, op->now_ns), 0);
    case PEEK:
        rc = resil_window_peek(&windows.window, op->n, op->now_ns, &at_ns);
        return answer(rc, rc == RESIL_OK ? 0 : at_ns);
    default:
        resil_window_drain(&windows.window, RESIL_SEC(2), op->now_ns);
        return 0;
    }
}

static uint64_t window_look(void)
{
    struct resil_window_snapshot now;

    resil_window_snapshot(&windows.window, NOW + RESIL_SEC(2), &now);
    return now.used;
}

static void window_is_linearizable(void **state)
{
    const struct linear_subject is = {"window",       &windows,     sizeof windows, window_set_up,
                                      draw_undrained, window_apply, window_look,    NULL};

    (void)state;
    linear_check(&is, seed + 2, HISTORIES);
    linear_finds(&is, (struct fault){"resil__slide_take", &windows.window.word_, FAULT_BLIND},
                 seed + 2, HISTORIES);
}

static struct {
    struct resil_log log;
    uint64_t places[4];
    struct resil_reservation own[LINEAR_THREADS];
} logs;

static void log_set_up(void)
{
    (void)resil_log_init(&logs.log, sizeof logs.log + sizeof logs.places,
                         &(struct resil_log_config){.limit = 4});
    (void)resil_log_acquire(&logs.log, NOW - RESIL_MS(600), NULL);
    (void)resil_log_acquire(&logs.log, NOW - RESIL_MS(400), NULL);
}

static uint64_t log_apply(const struct linear_op *op)
{
    struct resil_reservation *own = &logs.own[op->thread];
    uint64_t at_ns = 0;
    int rc;

    switch (op->kind) {
    case RESERVE:
        rc = resil_log_reserve(&logs.log, op->now_ns, own);
        return answer(rc, own->at_ns);
    case PEEK:
        rc = resil_log_peek(&logs.log, op->now_ns, &at_ns);
        return answer(rc, at_ns);
    default:
        rc = resil_log_acquire(&logs.log, op->now_ns, &at_ns);
        return answer(rc, rc == RESIL_OK ? 0 : at_ns);
    }
}

/* Without the time, for who only counts what passed. */
static uint64_t log_apply_untold(const struct linear_op *op)
{
    return (uint8_t)log_apply(op);
}

static uint64_t log_look(void)
{
    struct resil_log_snapshot now;

    resil_log_snapshot(&logs.log, NOW + RESIL_SEC(2), &now);
    return now.used;
}

/* In the second before and at each call no more than four, by the times that were told. */
static bool log_bound(void)
{
    for (int i = 0; i < LINEAR_ALL; i++) {
        uint64_t end_ns = linear.ops[i].now_ns, sum = 0;

        for (int j = 0; j < LINEAR_ALL; j++)
            sum += linear_did(j, RESIL_OK) && linear.ops[j].now_ns <= end_ns &&
                   linear.ops[j].now_ns + RESIL_SEC(1) > end_ns;
        sum += NOW - RESIL_MS(600) + RESIL_SEC(1) > end_ns;
        sum += NOW - RESIL_MS(400) + RESIL_SEC(1) > end_ns;
        if (sum > 4)
            return false;
    }
    return true;
}

/* At one moment there is an order. Where the threads' clocks differ, a call with an older now is
   noted with the time of the call before it, and who that is may change on the way: then the log
   claims its limit alone. */
static void log_is_linearizable(void **state)
{
    struct fault blind = {"resil__log_take", &logs.places[2], FAULT_BLIND};
    const struct linear_subject is = {"log",       &logs,     sizeof logs, log_set_up,
                                      draw_moment, log_apply, log_look,    NULL};
    const struct linear_subject at_any_time = {
        "log, clocks differ", &logs,    sizeof logs, log_set_up, draw_calls,
        log_apply_untold,     log_look, log_bound};

    (void)state;
    linear_check(&is, seed + 3, HISTORIES);
    linear_finds(&is, blind, seed + 3, HISTORIES);
    linear_check(&at_any_time, seed + 3, HISTORIES);
    linear_finds(&at_any_time, blind, seed + 3, HISTORIES);
}

/* Two keys in a table of two buckets. */
static struct {
    struct resil_keyed_limiter head;
    struct resil_keyed_bucket_ buckets[2];
} table;

static void keyed_set_up(void)
{
    struct resil_keyed_limiter_config config = {
        .keys = 2, .seed = {1, 2}, .tokens = 1, .burst = 2, .overflow_tokens = RESIL_OFF};

    (void)resil_keyed_limiter_init(&table.head, sizeof table, &config);
    (void)resil_keyed_limiter_acquire_u64(&table.head, 1, 2, NOW, NULL);
}

static uint64_t keyed_apply(const struct linear_op *op)
{
    uint64_t key = 1 + ((op->kind == PEEK ? op->n : op->kind) & 1);
    uint64_t at_ns = 0;
    int rc;

    if (op->kind == PEEK)
        return resil_keyed_limiter_peek(&table.head, test_key_of(key).bytes, 8, op->now_ns);
    rc = resil_keyed_limiter_acquire_u64(&table.head, key, op->n, op->now_ns, &at_ns);
    return answer(rc, rc == RESIL_OK ? 0 : at_ns);
}

static uint64_t keyed_apply_untold(const struct linear_op *op)
{
    return (uint8_t)keyed_apply(op);
}

static uint64_t keyed_look(void)
{
    uint64_t left = 0;

    for (uint64_t key = 1; key <= 2; key++)
        for (uint64_t n = 0; n < 3; n++)
            left = left * 4 + resil_keyed_limiter_peek(&table.head, test_key_of(key).bytes, 8,
                                                       NOW + n * RESIL_SEC(1));
    return left;
}

/* A burst of two, and one a second: over any span of told time. */
static bool keyed_bound(void)
{
    for (unsigned key = 0; key < 2; key++)
        for (int from = 0; from < 4; from++)
            for (int to = from; to < 4; to++) {
                uint64_t sum = key == 0 && from == 0 ? 2 : 0, span = (uint64_t)(to - from) / 2;

                for (int i = 0; i < LINEAR_ALL; i++) {
                    uint64_t at = (linear.ops[i].now_ns - NOW) / RESIL_MS(500);

                    if (linear_did(i, RESIL_OK) && (linear.ops[i].kind & 1) == key &&
                        at >= (uint64_t)from && at <= (uint64_t)to)
                        sum += linear.ops[i].n;
                }
                if (sum > 2 + span)
                    return false;
            }
    return true;
}

/* The place where a key has gone, once it is there. */
static uint64_t *word_of_first_key(void)
{
    keyed_set_up();
    for (size_t i = 0; i < 2; i++)
        for (size_t way = 0; way < RESIL_KEYED_WAYS_; way++)
            if (table.buckets[i].word_[way] != 0)
                return &table.buckets[i].word_[way];
    fail();
    return NULL;
}

/* At one moment there is an order. Where the clocks of two first calls of a key differ, its bucket
   begins at the later one whichever is first: the limiter claims then that it grants no more. */
static void keyed_limiter_is_linearizable(void **state)
{
    const struct linear_subject is = {"keyed limiter", &table,      sizeof table, keyed_set_up,
                                      draw_moment,     keyed_apply, keyed_look,   NULL};
    const struct linear_subject at_any_time = {"keyed limiter, clocks differ",
                                               &table,
                                               sizeof table,
                                               keyed_set_up,
                                               draw_calls,
                                               keyed_apply_untold,
                                               keyed_look,
                                               keyed_bound};
    struct fault blind = {"resil__keyed_limiter_take", word_of_first_key(), FAULT_BLIND};

    (void)state;
    assert_true(resil_keyed_limiter_size(2) <= sizeof table);
    linear_check(&is, seed + 4, HISTORIES);
    linear_finds(&is, blind, seed + 4, HISTORIES);
    linear_check(&at_any_time, seed + 5, HISTORIES);
    linear_finds(&at_any_time, blind, seed + 5, HISTORIES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limiter_is_linearizable),       cmocka_unit_test(pacer_is_linearizable),
        cmocka_unit_test(window_is_linearizable),        cmocka_unit_test(log_is_linearizable),
        cmocka_unit_test(keyed_limiter_is_linearizable),
    };

    seed = test_seed(4711);
    return cmocka_run_group_tests_name("linearizable limits", tests, NULL, NULL);
}
