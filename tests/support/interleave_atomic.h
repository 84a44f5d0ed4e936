/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_INTERLEAVE_ATOMIC_H
#define RESIL_INTERLEAVE_ATOMIC_H

/* A part of interleave.h: what the operations of base/atomic.h do; their names are in interleave_names.h. */

/* Notes who touches a word; true if others may see a difference. */
static inline bool interleave_touch(const void *word, bool writes)
{
    size_t at = (size_t)((uintptr_t)word >> 2) % INTERLEAVE_WORDS;
    struct interleave_word *entry = &interleave.words[at];

    for (; entry->word != word && entry->word != NULL; entry = &interleave.words[at])
        at = (at + 1) % INTERLEAVE_WORDS;
    entry->word = word;
    entry->fibers |= 1u << interleave.current;
    entry->written |= writes;
    if (!entry->contested && entry->written && (entry->fibers & (entry->fibers - 1)) != 0) {
        entry->contested = true;
        interleave.grown = true;
    }
    /* Where nothing is searched, all words are: chance and a replayed schedule need no news. */
    return entry->contested || interleave.random != 0 || interleave.replay != NULL;
}

/* Before an operation. */
static inline void interleave_before(const void *word)
{
    if (!interleave.running)
        return;
    if (++interleave.steps > INTERLEAVE_STEPS) {
        interleave.failed = interleave.failed != 0 ? interleave.failed : -2;
        interleave_go_home();
    }
    if (interleave_touch(word, false))
        interleave_cut();
    if (interleave.swapped[interleave.current].word != word)
        interleave_settle(word);
}

/* A fence, and the first half of all that are one. */
static inline void interleave_fence(void)
{
    if (!interleave.running)
        return;
    interleave_drain(interleave.current);
    interleave.swapped[interleave.current].word = NULL;
}

/* After a write. */
static inline void interleave_after(const void *word)
{
    if (!interleave.running)
        return;
    (void)interleave_touch(word, true);
    interleave.swapped[interleave.current].word = NULL;
    interleave_wrote(interleave.current);
}

/* After a read-modify-write. */
static inline void interleave_after_rmw(void *word, uint64_t old, uint64_t value, bool narrow)
{
    int self = interleave.current;

    interleave_after(word);
    if (interleave.running && !interleave.unbuffered && interleave.stored[self] == 0)
        interleave.swapped[self] = (struct interleave_store){
            .word = word, .value = value, .under = old, .narrow = narrow, .swaps = true};
}

/* Nothing goes ahead of a sequentially consistent one. */
static inline uint64_t interleave_seq(uint64_t value)
{
    interleave.swapped[interleave.current].word = NULL;
    return value;
}

static inline bool interleave_broken(const char *in, const void *word, enum fault_kind kind)
{
    return interleave.running && interleave.fault.kind == kind && interleave.fault.word == word &&
           strcmp(interleave.fault.in, in) == 0;
}

/* Whether nothing but the order of a write keeps it behind what its fiber has stored before. */
static inline bool interleave_may_overtake(const void *word)
{
    int self = interleave.current;

    for (unsigned k = 0; k < interleave.stored[self]; k++)
        if (interleave.stores[self][k].word == word)
            return false;
    return interleave.running && interleave.stored[self] > 0;
}

/* Whether a write with release order is to be one without. */
static inline bool interleave_is_relaxed(const char *in, const void *word)
{
    return interleave_broken(in, word, FAULT_RELAXED) && interleave_may_overtake(word);
}

/* Whether a store without an order goes ahead of those in front of it: as dear as keeping one back. */
static inline bool interleave_overtakes(const void *word, bool relaxed)
{
    const void *swapped = interleave.swapped[interleave.current].word;
    bool back = interleave.running && interleave.stored[interleave.current] == 0 &&
                swapped != NULL && swapped != word && interleave_touch(swapped, true);

    if (!relaxed || interleave.budget == 0 || !(back || interleave_may_overtake(word)) ||
        !interleave_touch(word, true) || interleave_pick('o', 2) == 0)
        return false;
    interleave.budget--;
    if (back)
        interleave_take_back();
    return true;
}

/* Before a write that is seen at once. */
static inline void interleave_before_write(const void *word)
{
    if (!interleave.running)
        return;
    interleave_offer(word, interleave.current);
    interleave_force(word, interleave.current);
}

/* Before a read-modify-write or a sequentially consistent store. */
static inline void interleave_before_rmw(const void *word, const char *in)
{
    interleave_before(word);
    if (!interleave_is_relaxed(in, word))
        interleave_fence();
    interleave_before_write(word);
}

/* What a load finds, or a compare-and-swap that failed. */
static inline uint64_t interleave_see(const char *in, const void *word, uint64_t value)
{
    int self = interleave.current;

    if (!interleave.running || interleave.fault.word != word)
        return value;
    if (interleave.has_seen[self] && interleave_broken(in, word, FAULT_STALE))
        return interleave.seen[self];
    interleave.has_seen[self] = true;
    return interleave.seen[self] = value;
}

#define INTERLEAVE_OPS(suffix, type)                                                               \
    static inline type interleave_load##suffix(const type *word, const char *in)                   \
    {                                                                                              \
        type value;                                                                                \
                                                                                                   \
        interleave_before(word);                                                                   \
        interleave_offer_load(word);                                                               \
        value = (type)interleave_see(in, word, *word);                                             \
        interleave_say(in, interleave.current, "load", word, value);                               \
        return value;                                                                              \
    }                                                                                              \
    static inline void interleave_store##suffix(type *word, type value, bool relaxed,              \
                                                const char *in)                                    \
    {                                                                                              \
        interleave_before(word);                                                                   \
        interleave_say(in, interleave.current, "store", word, value);                              \
        if (interleave_broken(in, word, FAULT_LOST) ||                                             \
            (!interleave_is_relaxed(in, word) && !interleave_overtakes(word, relaxed) &&           \
             interleave_keep(word, value, sizeof *word == 4,                                       \
                             interleave.running && interleave_touch(word, true))))                 \
            return;                                                                                \
        interleave_before_write(word);                                                             \
        *word = value;                                                                             \
        interleave_after(word);                                                                    \
    }                                                                                              \
    static inline type interleave_xchg##suffix(type *word, type value, const char *in)             \
    {                                                                                              \
        type old;                                                                                  \
                                                                                                   \
        if (interleave_broken(in, word, FAULT_WEAK)) {                                             \
            old = interleave_load##suffix(word, in);                                               \
            interleave_store##suffix(word, value, false, in);                                      \
            return old;                                                                            \
        }                                                                                          \
        interleave_before_rmw(word, in);                                                           \
        old = *word;                                                                               \
        if (!interleave_broken(in, word, FAULT_LOST))                                              \
            *word = value;                                                                         \
        interleave_say(in, interleave.current, "exchange", word, value);                           \
        interleave_after_rmw(word, old, *word, sizeof *word == 4);                                 \
        return old;                                                                                \
    }                                                                                              \
    static inline type interleave_add##suffix(type *word, type value, const char *in)              \
    {                                                                                              \
        type old;                                                                                  \
                                                                                                   \
        interleave_before_rmw(word, in);                                                           \
        old = *word;                                                                               \
        if (!interleave_broken(in, word, FAULT_LOST))                                              \
            *word += value;                                                                        \
        interleave_say(in, interleave.current, "add", word, *word);                                \
        interleave_after_rmw(word, old, *word, sizeof *word == 4);                                 \
        return old;                                                                                \
    }                                                                                              \
    static inline type interleave_or##suffix(type *word, type value, const char *in)               \
    {                                                                                              \
        type old;                                                                                  \
                                                                                                   \
        interleave_before_rmw(word, in);                                                           \
        old = *word;                                                                               \
        *word |= value;                                                                            \
        interleave_say(in, interleave.current, "or", word, *word);                                 \
        interleave_after_rmw(word, old, *word, sizeof *word == 4);                                 \
        return old;                                                                                \
    }                                                                                              \
    static inline bool interleave_cas##suffix(type *word, type *expected, type desired,            \
                                              const char *in)                                      \
    {                                                                                              \
        type old;                                                                                  \
                                                                                                   \
        interleave_before_rmw(word, in);                                                           \
        old = *word;                                                                               \
        if (old != *expected && !interleave_broken(in, word, FAULT_BLIND)) {                       \
            *expected = (type)interleave_see(in, word, old);                                       \
            interleave_say(in, interleave.current, "swap failed", word, old);                      \
            return false;                                                                          \
        }                                                                                          \
        if (!interleave_broken(in, word, FAULT_LOST))                                              \
            *word = desired;                                                                       \
        interleave_say(in, interleave.current, "swap", word, desired);                             \
        interleave_after_rmw(word, old, *word, sizeof *word == 4);                                 \
        return true;                                                                               \
    }

INTERLEAVE_OPS(, uint64_t)
INTERLEAVE_OPS(32, uint32_t)

#undef INTERLEAVE_OPS

static inline void interleave_load_pointer(const void *pointer, const char *in)
{
    interleave_before(pointer);
    interleave_offer_load(pointer);
    interleave_say(in, interleave.current, "load", pointer, 0);
}

/* The others come between a pointer and what it points to. */
static inline void interleave_store_early(const struct interleave_store *store)
{
    struct interleave_content *content = &interleave.content;
    unsigned char written[INTERLEAVE_CONTENT];

    memcpy(written, content->memory, content->bytes);
    memcpy(content->memory, content->before, content->bytes);
    (void)interleave_put(store, store->value);
    interleave_after(store->word);
    interleave_cut();
    memcpy(content->memory, written, content->bytes);
}

static inline void interleave_store_pointer(void *pointer, const void *value, const char *in)
{
    struct interleave_store store = {
        .word = pointer, .value = (uintptr_t)value, .narrow = sizeof value == 4};

    interleave_before(pointer);
    interleave_say(in, interleave.current, "store", pointer, store.value);
    if (interleave_broken(in, pointer, FAULT_EARLY)) {
        interleave_store_early(&store);
        return;
    }
    if (interleave_broken(in, pointer, FAULT_LOST) ||
        interleave_keep(pointer, store.value, store.narrow,
                        interleave.running && interleave_touch(pointer, true)))
        return;
    interleave_before_write(pointer);
    (void)interleave_put(&store, store.value);
    interleave_after(pointer);
}

#endif
