/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_HEALTH_FIXTURE_H
#define RESIL_HEALTH_FIXTURE_H

/* Health checks of endpoints 1 to n, with a clock, an allocator that counts and can fail, and a
   memory of the last change that was told. */
#include "test.h"

#include <resil/health.h>

struct bench {
    struct resil_health health;
    struct resil_allocator allocator;
    uint64_t now;
    int64_t bytes;     /* allocated and not released */
    int allocations;   /* that succeed before one fails; -1 = all */
    int told;          /* changes */
    uint64_t last_id;  /* of the last change */
    bool last_healthy; /* of the last change */
    uint64_t ticket;   /* of the last probe */
};

static inline void *bench_allocate(void *arg, size_t bytes, size_t alignment)
{
    struct bench *bench = arg;

    if (bench->allocations == 0)
        return NULL;
    bench->allocations -= bench->allocations > 0;
    bench->bytes += (int64_t)bytes;
    return resil_allocator_default()->allocate(NULL, bytes, alignment);
}

static inline void bench_release(void *arg, void *memory, size_t bytes)
{
    struct bench *bench = arg;

    bench->bytes -= (int64_t)bytes;
    resil_allocator_default()->release(NULL, memory, bytes);
}

static inline void bench_changed(void *arg, uint64_t id, bool healthy)
{
    struct bench *bench = arg;

    bench->told++;
    bench->last_id = id;
    bench->last_healthy = healthy;
}

/* Endpoint i has the address "a<i>" and the user pointer i. */
static inline int set_list(struct bench *bench, uint64_t first, uint64_t count)
{
    struct resil_health_endpoint *list = calloc(count + 1, sizeof *list);
    char(*names)[24] = calloc(count + 1, sizeof *names);
    int rc;

    assert_true(list != NULL && names != NULL);
    for (uint64_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof names[i], "a%" PRIu64, first + i);
        list[i] =
            (struct resil_health_endpoint){first + i, names[i], (void *)(uintptr_t)(first + i)};
    }
    rc = resil_health_update(&bench->health, list, count, bench->now);
    free(list);
    free(names);
    return rc;
}

static inline void set_up(struct bench *bench, const struct resil_health_config *config,
                          uint64_t count)
{
    struct resil_health_config with = {0};

    if (config != NULL)
        with = *config;
    with.changed = bench_changed;
    with.changed_arg = bench;
    *bench = (struct bench){
        .allocator = {sizeof(struct resil_allocator), bench, bench_allocate, bench_release},
        .now = RESIL_SEC(1000),
        .allocations = -1,
    };
    assert_int_equal(resil_health_init(&bench->health, &with, &bench->allocator, 1), RESIL_OK);
    if (count != 0)
        assert_int_equal(set_list(bench, 1, count), RESIL_OK);
}

static inline void tear_down(struct bench *bench)
{
    assert_int_equal(resil_health_fini(&bench->health), RESIL_OK);
    assert_int_equal(bench->bytes, 0);
}

static inline struct resil_health_probe ask(struct bench *bench)
{
    struct resil_health_probe due;

    assert_int_equal(resil_health_next(&bench->health, bench->now, &due), RESIL_OK);
    if (due.ticket != 0)
        bench->ticket = due.ticket;
    return due;
}

static inline int report(struct bench *bench, uint64_t ticket, bool passed)
{
    return resil_health_report(&bench->health, ticket, passed, bench->now);
}

/* Reports the last probe. */
static inline void report_last(struct bench *bench, bool passed)
{
    assert_int_equal(report(bench, bench->ticket, passed), RESIL_OK);
}

static inline struct resil_health_view view_of(struct bench *bench, uint64_t id)
{
    struct resil_health_view view;

    assert_int_equal(resil_health_peek(&bench->health, id, &view), RESIL_OK);
    return view;
}

/* Goes to the next probe and reports it at once. Returns when that was. */
static inline uint64_t probe(struct bench *bench, bool passed)
{
    struct resil_health_probe due = ask(bench);

    if (due.ticket == 0) {
        bench->now = due.wake_ns;
        due = ask(bench);
    }
    assert_int_not_equal(due.ticket, 0);
    assert_int_equal(report(bench, due.ticket, passed), RESIL_OK);
    return bench->now;
}

static inline struct resil_health_snapshot numbers(struct bench *bench)
{
    struct resil_health_snapshot snapshot;

    assert_int_equal(resil_health_snapshot(&bench->health, &snapshot), RESIL_OK);
    return snapshot;
}

static inline void expect_told(struct bench *bench, int times, uint64_t id, bool healthy)
{
    assert_int_equal(bench->told, times);
    assert_int_equal(bench->last_id, id);
    assert_int_equal(bench->last_healthy, healthy);
}

#endif
