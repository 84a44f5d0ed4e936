/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_INTERLEAVE_BUFFER_H
#define RESIL_INTERLEAVE_BUFFER_H

/*
 * A part of interleave.h: store buffers (Peter Sewell et al., "x86-TSO: A Rigorous and Usable
 * Programmer's Model for x86 Multiprocessors", CACM 2010). A store with relaxed or release order
 * may stay in its fiber's buffer, where only that fiber sees it, while later loads go ahead of it.
 * Buffers are first in, first out, but for a relaxed store, which may go ahead of what waits there
 * (as SPARC's partial store order lets all do): a release that was made relaxed is found out.
 * Read-modify-writes and sequentially consistent stores empty the own one first; loads don't,
 * whatever their order. A relaxed store behind a read-modify-write that isn't sequentially
 * consistent may go ahead of that, too (where they are a load and a store that are tied together,
 * as on ARM): if nobody has touched its word since, it is taken back into the buffer.
 *
 * A store that is kept back or goes ahead costs as much of the bound as a preemption; those behind
 * it cost nothing. When it goes through makes a difference only to those who touch its word, so just before
 * one does is when it may (and all in front of it).
 *
 * Words that are read or written without atomic.h, as those under a lock, are written at once. A
 * fiber that reads its own word so finds what it stored: while it runs, its buffer lies over the
 * memory.
 */

static uint64_t interleave_put(const struct interleave_store *store, uint64_t value)
{
    uint64_t old;

    if (store->narrow) {
        old = *(interleave_narrow *)store->word;
        *(interleave_narrow *)store->word = (interleave_narrow)value;
    } else {
        old = *(interleave_wide *)store->word;
        *(interleave_wide *)store->word = value;
    }
    return old;
}

/* A fiber begins to run: it sees its own stores. */
static void interleave_lay(int fiber)
{
    struct interleave_store *stores = interleave.stores[fiber];

    for (unsigned k = 0; k < interleave.stored[fiber]; k++)
        stores[k].under = interleave_put(&stores[k], stores[k].value);
}

/* It stops running: the others see theirs. */
static void interleave_lift(int fiber)
{
    const struct interleave_store *stores = interleave.stores[fiber];

    for (unsigned k = interleave.stored[fiber]; k > 0; k--)
        (void)interleave_put(&stores[k - 1], stores[k - 1].under);
}

static void interleave_offer(const void *word, int except);
static void interleave_force(const void *word, int except);

/* What others have touched, or has a write of its own fiber behind it, stays where it is. */
static void interleave_settle(const void *word)
{
    for (int i = 0; i < interleave.count; i++)
        if (interleave.swapped[i].word == word)
            interleave.swapped[i].word = NULL;
}

/* The oldest store of a fiber becomes visible. */
static void interleave_commit(int fiber)
{
    struct interleave_store store = interleave.stores[fiber][0];
    unsigned through = interleave.through;

    interleave.through |= 1u << fiber;
    interleave_offer(store.word, fiber);
    interleave_force(store.word, fiber);
    interleave_settle(store.word);
    interleave.through = through;
    interleave_lift(interleave.current);
    (void)interleave_put(&store, store.value);
    interleave_say("", fiber, "goes through", store.word, store.value);
    interleave.stored[fiber]--;
    memmove(&interleave.stores[fiber][0], &interleave.stores[fiber][1],
            interleave.stored[fiber] * sizeof store);
    interleave_lay(interleave.current);
    interleave_wrote(fiber);
}

static void interleave_drain(int fiber)
{
    while (interleave.stored[fiber] > 0)
        interleave_commit(fiber);
}

/* Returns whether there was anything. */
static bool interleave_drain_all(void)
{
    bool any = false;

    for (int i = 0; i < interleave.count; i++) {
        any = any || interleave.stored[i] > 0;
        interleave_drain(i);
    }
    return any;
}

/* A fiber is about to touch a word: some of what the others have stored there may come first. */
static void interleave_offer(const void *word, int except)
{
    for (int i = 0; i < interleave.count; i++) {
        unsigned found = 0, places[INTERLEAVE_STORES + 1], way;

        if (i == except || interleave.stored[i] == 0 || (interleave.through & (1u << i)) != 0)
            continue;
        places[0] = 0;
        for (unsigned k = 0; k < interleave.stored[i]; k++)
            if (interleave.stores[i][k].word == word)
                places[++found] = k + 1;
        way = places[interleave_pick('f', found + 1)];
        while (way-- > 0 && interleave.stored[i] > 0)
            interleave_commit(i);
    }
}

/* Before a write: who has read the word to write it does so first. */
static void interleave_force(const void *word, int except)
{
    for (int i = 0; i < interleave.count; i++)
        if (i != except && interleave.stored[i] > 0 && interleave.stores[i][0].swaps &&
            interleave.stores[i][0].word == word)
            interleave_commit(i);
}

/* Takes the last read-modify-write back into the buffer, which is empty: it looks as if it had
   never left it. */
static void interleave_take_back(void)
{
    int self = interleave.current;

    interleave.stores[self][interleave.stored[self]++] = interleave.swapped[self];
    interleave.swapped[self].word = NULL;
}

/* Before a load, which finds the fiber's own newest store if there is one. */
static void interleave_offer_load(const void *word)
{
    int self = interleave.current;

    if (!interleave.running)
        return;
    for (unsigned k = 0; k < interleave.stored[self]; k++)
        if (interleave.stores[self][k].word == word)
            return;
    interleave_offer(word, self);
}

/* Whether a store is kept back; if so, it is in the buffer now. */
static bool interleave_keep(void *word, uint64_t value, bool narrow, bool contested)
{
    int self = interleave.current;
    unsigned *stored = &interleave.stored[self];
    struct interleave_store store = {.word = word, .value = value, .narrow = narrow};

    if (!interleave.running || interleave.unbuffered)
        return false;
    interleave.swapped[self].word = NULL;
    if (*stored == 0) {
        if (!contested || interleave.budget == 0 || interleave_pick('d', 2) == 0)
            return false;
        interleave.budget--;
    } else if (*stored == INTERLEAVE_STORES) {
        interleave_commit(self);
    }
    store.under = interleave_put(&store, value);
    interleave.stores[self][(*stored)++] = store;
    return true;
}

#endif
