/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Subsets by what they promise, as their definition is a shuffle and would have to be copied.
 * Clients come one after the other over a list of endpoints: each gets as many as it wants or fewer
 * than twice that; a round of clients shares out the list, everybody to one of them; after any number
 * of clients nobody has two more than another; the order of the list doesn't matter; of an endpoint
 * more or less a client hardly hears; and the next round is shuffled anew.
 */
#include "shrink.h"

#include "balancer/subset.h"

#define OPERATIONS MODEL_OPERATIONS(1000000, 100000)

#define HOSTS_MAX 48

static struct bench {
    uint64_t random, seed, operation;
    uint64_t hashes[HOSTS_MAX];
    uint32_t count;
    uint64_t size;
    uint64_t client;           /* the next one */
    uint32_t has[HOSTS_MAX];   /* clients of an endpoint */
    uint64_t given;            /* endpoints that were given out in this round, by bit */
    uint64_t round, round_old; /* what a round looked like */
} bench;

/* The control: each second client has the number of the one before. */
static bool doubled;

static uint64_t below(uint64_t bound)
{
    return test_below(&bench.random, bound);
}

static void renew(void)
{
    bench.count = 1 + (uint32_t)below(HOSTS_MAX);
    bench.size = below(8) == 0 ? below(2 * HOSTS_MAX) : 1 + below(bench.count);
    for (uint32_t i = 0; i < bench.count; i++)
        bench.hashes[i] = test_random(&bench.random);
    memset(bench.has, 0, sizeof bench.has);
    bench.client = bench.given = bench.round = bench.round_old = 0;
}

static void begin(void)
{
    bench.operation = 0;
    renew();
}

/* How many clients share out the list. */
static uint64_t sharers(void)
{
    return bench.size == 0 || bench.size > bench.count ? 1 : bench.count / bench.size;
}

/* Whom a client keeps, by bit. */
static uint64_t ask(uint64_t client, const uint64_t *hashes, uint32_t count)
{
    uint32_t order[HOSTS_MAX], scratch[HOSTS_MAX], said, found = 0;
    bool kept[HOSTS_MAX];
    uint64_t bits = 0;

    said = resil__subset((struct resil__subset){.size = bench.size, .client = client}, hashes,
                         count, kept, order, scratch);
    for (uint32_t i = 0; i < count; i++) {
        found += kept[i];
        bits |= (uint64_t)kept[i] << i;
    }
    MODEL_CHECK(&bench, found == said);
    return bits;
}

static uint32_t bits_of(uint64_t bits)
{
    return (uint32_t)__builtin_popcountll(bits);
}

/* The list turned round, and begun elsewhere. */
static void check_order(uint64_t client, uint64_t kept)
{
    uint64_t turned[HOSTS_MAX], bits;
    uint32_t from = (uint32_t)below(bench.count);

    for (uint32_t i = 0; i < bench.count; i++)
        turned[i] = bench.hashes[(from + bench.count - i) % bench.count];
    bits = ask(client, turned, bench.count);
    for (uint32_t i = 0; i < bench.count; i++)
        MODEL_CHECK(&bench,
                    (bits >> i & 1) == (kept >> (from + bench.count - i) % bench.count & 1));
}

/* Without the last endpoint: one end of a slice moves by one for it, and by one for the sharing. */
static void check_change(uint64_t client, uint64_t kept)
{
    uint64_t rest = kept & ~(UINT64_C(1) << (bench.count - 1)), bits;

    if (bench.count == 1 || bench.size == 0 || bench.size >= bench.count ||
        (bench.count - 1) / bench.size != sharers())
        return;
    bits = ask(client, bench.hashes, bench.count - 1);
    MODEL_CHECK(&bench, bits_of(rest & ~bits) <= 2 && bits_of(bits & ~rest) <= 2);
}

static void check_size(uint64_t kept)
{
    uint32_t found = bits_of(kept);

    if (bench.size == 0 || bench.size >= bench.count)
        MODEL_CHECK(&bench, found == bench.count);
    else
        MODEL_CHECK(&bench, found >= bench.size && found < 2 * bench.size);
}

static void check_shares(uint64_t kept)
{
    uint32_t most = 0, least = UINT32_MAX;

    for (uint32_t i = 0; i < bench.count; i++) {
        bench.has[i] += (uint32_t)(kept >> i & 1);
        most = bench.has[i] > most ? bench.has[i] : most;
        least = bench.has[i] < least ? bench.has[i] : least;
    }
    MODEL_CHECK(&bench, most - least <= 1);
}

/* Each of a round has what nobody else of it has, and the last one has what is left. */
static void check_round(uint64_t kept)
{
    uint64_t all = UINT64_MAX >> (64 - bench.count), place = bench.client % sharers();

    MODEL_CHECK(&bench, (bench.given & kept) == 0);
    bench.given |= kept;
    bench.round = bench.round * UINT64_C(0x9e3779b97f4a7c15) + kept;
    if (place + 1 < sharers())
        return;
    MODEL_CHECK(&bench, bench.given == all);
    /* By chance alike once in more than 10^9 rounds. */
    MODEL_CHECK(&bench, sharers() < 4 || bench.size < 5 || bench.round != bench.round_old);
    bench.round_old = bench.round;
    bench.given = bench.round = 0;
}

static void step(void)
{
    uint64_t client, kept;

    if (below(100) == 0)
        renew();
    client = doubled ? bench.client / 2 : bench.client;
    kept = ask(client, bench.hashes, bench.count);
    check_size(kept);
    check_shares(kept);
    check_round(kept);
    if (below(4) == 0)
        check_order(client, kept);
    if (below(4) == 0)
        check_change(client, kept);
    bench.client++;
}

static const struct model_subject model = {begin, step, &bench.random};

static void subsets_keep_their_promises(void **state)
{
    (void)state;
    model_run(&model, test_seed(64), OPERATIONS);
}

static void clients_of_one_number_are_found(void **state)
{
    (void)state;
    doubled = true;
    model_finds(&model, 64, OPERATIONS, 2, "two clients of one number");
    doubled = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subsets_keep_their_promises),
        cmocka_unit_test(clients_of_one_number_are_found),
    };

    return cmocka_run_group_tests_name("subset model", tests, NULL, NULL);
}
