/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The balancer under every interleaving: a report that reaches a limit against the tick that looks
 * for it, the end of an interval that forgives against a report, and a list that replaces another
 * against picks of it. Entering a section, leaving it, and asking whether all have passed are one
 * step each here; model_epoch_interleavings has their inside.
 */
#include "test.h"

#include "interleave.h"

#define RESIL_BASE_EPOCH_H

struct resil__reader {
    uint64_t random;
};

static struct resil__reader readers[INTERLEAVE_FIBERS];
static uint64_t sections[INTERLEAVE_FIBERS]; /* the age in which it was entered; 0 = not inside */
static uint32_t age;

static struct resil__reader *resil__epoch_enter(void)
{
    int self = interleave.running ? interleave.current : 0;

    resil__store_seq(&sections[self], age);
    return &readers[self];
}

static void resil__epoch_leave(struct resil__reader *reader)
{
    resil__store_release(&sections[reader - readers], 0);
}

static uint32_t resil__epoch_retire(void)
{
    return ++age;
}

static bool resil__epoch_passed(uint32_t ticket)
{
    bool passed = true;

    for (int i = 0; i < INTERLEAVE_FIBERS; i++) {
        uint64_t section = resil__load_seq(&sections[i]);

        passed = passed && (section == 0 || section >= ticket);
    }
    return passed;
}

static uint32_t resil__reader_number(const struct resil__reader *reader)
{
    return (uint32_t)(reader - readers);
}

static uint64_t *resil__reader_random(struct resil__reader *reader)
{
    return &reader->random;
}

#include "../../src/balancer/memory.c"
#include "../../src/balancer/pick.c"
#include "../../src/balancer/report.c"
#include "../../src/balancer/sweep.c"
#include "../../src/balancer/tick.c"
#include "../../src/balancer/view.c"

#define NOW RESIL_SEC(1000)

typedef void body(int self);

static struct resil_balancer balancer;
static struct resil__balancer *lb;
static struct resil_pick picks[INTERLEAVE_FIBERS];
static struct resil_allocator allocator;
static const struct resil_endpoint endpoints[] = {{.address = "h0"}, {.address = "h1"}};
static uint64_t pool[1 << 15]; /* memory: the same addresses in each run, never used twice in one */
static size_t used;            /* words */
static uint64_t held, id_of_h0;
static struct {
    const char *from;
    size_t bytes;
} gone[64];
static size_t gone_count;

static void *allocate(void *arg, size_t bytes, size_t alignment)
{
    size_t from = (used + 7) / 8 * 8;

    (void)arg;
    used = from + (bytes + 7) / 8;
    if (alignment != 64 || used > sizeof pool / sizeof pool[0] - 8)
        abort();
    held += bytes;
    return (char *)pool + ((64 - (uintptr_t)pool % 64) % 64) + from * 8;
}

/* Only noted: who looks at it all the same is asked what he looked at. */
static void release(void *arg, void *memory, size_t bytes)
{
    (void)arg;
    held -= bytes;
    if (gone_count == sizeof gone / sizeof gone[0])
        abort();
    gone[gone_count].from = memory;
    gone[gone_count++].bytes = bytes;
}

/* Whether what was picked is still there. */
static bool is_there(const struct resil_pick *pick)
{
    const char *host = pick->host_;

    for (size_t i = 0; i < gone_count; i++)
        if (host >= gone[i].from && host < gone[i].from + gone[i].bytes)
            return false;
    return pick->address[0] == 'h';
}

/* h0 and h1, an ejection after so many bad reports; the next interval ends at NOW. */
static void start(uint64_t consecutive)
{
    struct resil_balancer_config config = {
        .allocator = &allocator,
        .seed = 1,
        .outlier = {.consecutive = consecutive, .failure_pct = RESIL_OFF},
    };

    allocator = (struct resil_allocator){
        .size = sizeof allocator, .allocate = allocate, .release = release};
    used = 0;
    gone_count = 0;
    held = 0;
    age = 1;
    memset(sections, 0, sizeof sections);
    memset(readers, 0, sizeof readers);
    memset(picks, 0, sizeof picks);
    lb = resil__balancer(&balancer);
    (void)resil_balancer_init(&balancer, &config);
    (void)resil_balancer_update(&balancer, endpoints, 2, NOW - RESIL_SEC(10));
}

static struct resil__host *host(uint32_t place)
{
    return lb->list->entries[place].host;
}

static void pick_h0(struct resil_pick *pick)
{
    struct resil_pick_request request = {.sticky = host(0)->id};

    (void)resil_balancer_pick(&balancer, &request, NOW, pick);
}

static void finish(void)
{
    interleave_check(resil_balancer_fini(&balancer) == RESIL_OK);
    interleave_check(held == 0);
}

/* The second report of two reaches the limit; a tick is due meanwhile. */
static void set_up_limit(void)
{
    start(2);
    (void)resil_balancer_tick(&balancer, NOW - 1, NULL);
    resil__lb_hurry(lb); /* for another host's sake */
    for (int i = 0; i < 2; i++)
        pick_h0(&picks[i]);
}

/* The interval ends, and nobody has asked h0 but one who didn't get there. */
static void set_up_forgive(void)
{
    start(1);
    pick_h0(&picks[0]);
    (void)resil_balancer_report(&balancer, &picks[0], RESIL_NOT_SENT, 1, NOW - RESIL_SEC(5));
    host(0)->load.counts_ = 0;
    pick_h0(&picks[0]);
}

static void report_failure(int self)
{
    (void)resil_balancer_report(&balancer, &picks[self], RESIL_FAILURE, 1, NOW);
}

static void tick(int self)
{
    (void)self;
    (void)resil_balancer_tick(&balancer, NOW, NULL);
}

/* Either a tick has seen it, or one is due. */
static void verify_ejected(void)
{
    (void)resil_balancer_tick(&balancer, NOW, NULL);
    interleave_check(host(0)->ejected);
    interleave_check(!host(1)->ejected);
    finish();
}

static void set_up_lists(void)
{
    start(RESIL_OFF);
    id_of_h0 = host(0)->id;
}

/* h0 while there is one. */
static void pick_and_keep(int self)
{
    struct resil_pick_request request = {.sticky = id_of_h0};

    interleave_check(resil_balancer_pick(&balancer, &request, NOW, &picks[self]) == RESIL_OK);
    interleave_check(is_there(&picks[self]));
}

static void pick_and_report(int self)
{
    struct resil_pick *pick = &picks[self];

    pick_and_keep(self);
    interleave_check(resil_balancer_report(&balancer, pick, RESIL_SUCCESS, 1, NOW) == RESIL_OK);
}

/* h0 leaves, and what can be freed is. */
static void replace(int self)
{
    (void)self;
    interleave_check(resil_balancer_update(&balancer, endpoints + 1, 1, NOW) == RESIL_OK);
    (void)resil_balancer_tick(&balancer, NOW + RESIL_SEC(2), NULL);
}

static void verify_kept(void)
{
    for (int i = 0; i < INTERLEAVE_FIBERS; i++)
        if (picks[i].host_ != NULL) {
            interleave_check(is_there(&picks[i]));
            if (interleave.failed == 0)
                (void)resil_balancer_report(&balancer, &picks[i], RESIL_SUCCESS, 1, NOW);
        }
    if (interleave.failed != 0)
        return;
    (void)resil_balancer_tick(&balancer, NOW + RESIL_SEC(20), NULL);
    interleave_check(lb->retired == NULL && lb->dropped == NULL);
    interleave_check(host(0)->load.in_flight_ == 0);
    finish();
}

static void a_limit_that_is_reached_is_never_forgotten(void **state)
{
    struct scenario is = {
        __func__,      3, (body *const[]){report_failure, report_failure, tick}, 0, set_up_limit,
        verify_ejected};

    (void)state;
    lb = resil__balancer(&balancer);
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__lb_hurry", &lb->next_ns, FAULT_LOST});
    interleave_finds(&is, (struct fault){"schedule", &lb->next_ns, FAULT_BLIND});
}

static void what_is_forgiven_was_there_before(void **state)
{
    struct scenario is = {
        __func__, 2, (body *const[]){report_failure, tick}, 0, set_up_forgive, verify_ejected};
    struct fault blind = {"forgive", NULL, FAULT_BLIND};

    (void)state;
    interleave_explore(&is);
    set_up_forgive(); /* the host lies where it lay in each run */
    blind.word = &host(0)->load.streak_;
    interleave_finds(&is, blind);
}

static void nobody_sees_what_is_freed(void **state)
{
    struct scenario come = {__func__,     2,          (body *const[]){pick_and_report, replace}, 0,
                            set_up_lists, verify_kept};
    struct scenario keep = {
        __func__,     3,          (body *const[]){pick_and_keep, pick_and_report, replace}, 0,
        set_up_lists, verify_kept};

    (void)state;
    interleave_explore(&come);
    interleave_explore(&keep);
    interleave_finds(&come, (struct fault){"resil__epoch_enter", &sections[0], FAULT_LOST});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_that_is_reached_is_never_forgotten),
        cmocka_unit_test(what_is_forgiven_was_there_before),
        cmocka_unit_test(nobody_sees_what_is_freed),
    };

    return cmocka_run_group_tests_name("balancer tick interleavings", tests, NULL, NULL);
}
