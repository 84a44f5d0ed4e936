/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The epochs, called by one thread, against a list of the sections that are open and of what was
 * retired since: what was retired while a section was open doesn't pass before that section ends,
 * and all passes when none is open. (What other threads' sections do to it: model_epoch_
 * interleavings, and torture.)
 */
#include "shrink.h"

#include "base/epoch.h"

#define OPERATIONS MODEL_OPERATIONS(1000000, 200000)

#define OPEN_MAX 8
#define KEPT     32

static struct bench {
    uint64_t random, seed, operation;
    struct resil__reader *readers[OPEN_MAX]; /* nested: the last entered leaves first */
    unsigned open;
    struct {
        uint32_t ticket;
        bool waits; /* for the section that was open then: they nest, so for the outermost */
    } retired[KEPT];
    unsigned count;
} bench;

/* The control: a list that forgets who is still inside. */
static bool forgets;

static void leave(void)
{
    resil__epoch_leave(bench.readers[--bench.open]);
    for (unsigned i = 0; i < KEPT && bench.open == 0; i++)
        bench.retired[i].waits = false;
}

static void begin(void)
{
    while (bench.open > 0)
        leave();
    bench = (struct bench){.random = bench.random};
}

static void step(void)
{
    unsigned at = (unsigned)test_below(&bench.random, KEPT);

    switch (test_below(&bench.random, 4)) {
    case 0:
        if (bench.open < OPEN_MAX)
            bench.readers[bench.open++] = resil__epoch_enter();
        break;
    case 1:
        if (bench.open > 0)
            leave();
        break;
    case 2:
        at = bench.count++ % KEPT;
        bench.retired[at].ticket = resil__epoch_retire();
        bench.retired[at].waits = bench.open > 0 && !forgets;
        break;
    default:
        if (at < bench.count)
            MODEL_CHECK(&bench,
                        resil__epoch_passed(bench.retired[at].ticket) == !bench.retired[at].waits);
    }
}

static const struct model_subject model = {begin, step, &bench.random};

static void epochs_agree_with_a_list(void **state)
{
    (void)state;
    model_run(&model, test_seed(2004), OPERATIONS);
    begin();
}

static void a_list_that_forgets_is_found(void **state)
{
    (void)state;
    forgets = true;
    model_finds(&model, 2004, OPERATIONS, 12, "who is inside is forgotten");
    forgets = false;
    begin();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epochs_agree_with_a_list),
        cmocka_unit_test(a_list_that_forgets_is_found),
    };

    return cmocka_run_group_tests_name("epoch model", tests, NULL, NULL);
}
