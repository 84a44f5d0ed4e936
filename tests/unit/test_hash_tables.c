/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The tables of the hash pickers against twins that are written down as naively as can be, with
 * another implementation of the hash; and against tables that Envoy's own tests print.
 */
#include "hash_fixture.h"

#include <math.h>
#include <xxhash.h>

#include "balancer/order.h"

#define LOCAL 6 /* 127.0.0.1:90 and up */

static struct town *local_town(const struct resil_picker *picker, uint32_t count,
                               struct resil_picker_options options)
{
    struct town *town = town_new(picker, count, options);

    for (uint32_t i = 0; i < count; i++) {
        char address[40];

        (void)snprintf(address, sizeof address, "127.0.0.1:%u", 90 + i);
        town_name(town, i, address);
    }
    return town;
}

static void ring_is_the_one_that_envoy_prints(void **state)
{
    static const struct {
        uint64_t hash;
        uint32_t port;
    } ring[] = {
        {833437586790550860u, 94},   {928266305478181108u, 92},   {1033482794131418490u, 90},
        {3551244743356806947u, 95},  {3851675632748031481u, 93},  {5583722120771150861u, 91},
        {6311230543546372928u, 91},  {7700377290971790572u, 93},  {13144177310400110813u, 95},
        {13444792449719432967u, 92}, {15516499411664133160u, 94}, {16117243373044804889u, 90},
    };
    struct town *town =
        local_town(resil_picker_ring_hash(), LOCAL, (struct resil_picker_options){.ring_min = 12});

    (void)state;
    town_build(town);
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(town_pick(town, ring[i].hash), ring[i].port - 90);
        assert_int_equal(town_pick(town, ring[i].hash + 1), ring[(i + 1) % 12].port - 90);
    }
    assert_int_equal(town_pick(town, 1), 4);
    assert_int_equal(town_pick(town, UINT64_MAX), 4);
    town_free(town);
}

static void expect_slots(struct town *town, const uint32_t *slots, uint64_t size)
{
    town_build(town);
    for (uint64_t key = 1; key < 3 * size; key++)
        assert_int_equal(town_pick(town, key), slots[key % size]);
    town_free(town);
}

static void maglev_is_the_one_that_envoy_prints(void **state)
{
    static const uint32_t equal[] = {2, 4, 0, 1, 5, 0, 3};
    static const uint32_t weighted[] = {1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1};
    static const uint32_t two_to_one[] = {1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0};
    struct town *town =
        local_town(resil_picker_maglev(), LOCAL, (struct resil_picker_options){.maglev_size = 7});

    (void)state;
    expect_slots(town, equal, 7);
    town = local_town(resil_picker_maglev(), 2, (struct resil_picker_options){.maglev_size = 17});
    town->members[1].weight = 2;
    expect_slots(town, weighted, 17);
    town = local_town(resil_picker_maglev(), 2, (struct resil_picker_options){.maglev_size = 17});
    town->members[0].weight = 2;
    expect_slots(town, two_to_one, 17);
}

/* A twin's host. */
struct host {
    const char *address;
    double share;
    double target;
    uint64_t offset, skip, next;
    uint32_t member;
};

static int by_address(const void *a, const void *b)
{
    return strcmp(((const struct host *)a)->address, ((const struct host *)b)->address);
}

static struct host *hosts_of(const struct town *town, double *least, double *greatest)
{
    struct host *hosts = town_get(town->count * sizeof *hosts);
    uint64_t sum = 0;

    for (uint32_t i = 0; i < town->count; i++)
        sum += town->members[i].weight;
    *least = 1;
    *greatest = 0;
    for (uint32_t i = 0; i < town->count; i++) {
        hosts[i].address = town->members[i].address;
        hosts[i].share = town->members[i].weight * 1.0 / (double)sum;
        hosts[i].member = i;
        if (hosts[i].share < *least)
            *least = hosts[i].share;
        if (hosts[i].share > *greatest)
            *greatest = hosts[i].share;
    }
    qsort(hosts, town->count, sizeof *hosts, by_address);
    return hosts;
}

struct point {
    uint64_t hash;
    uint32_t member;
};

static int by_hash(const void *a, const void *b)
{
    uint64_t x = ((const struct point *)a)->hash, y = ((const struct point *)b)->hash;

    return (x > y) - (x < y);
}

static void compare_ring(struct town *town, uint64_t *random)
{
    double least, greatest, scale, target = 0, given = 0;
    struct host *hosts = hosts_of(town, &least, &greatest);
    struct point *points;
    size_t count = 0;

    scale = ceil(least * (double)town->pool.options.ring_min) / least;
    if (scale > (double)town->pool.options.ring_max)
        scale = (double)town->pool.options.ring_max;
    points = town_get(((size_t)scale + 3) * sizeof *points);
    for (uint32_t i = 0; i < town->count; i++) {
        double more = scale * hosts[i].share;

        target += more;
        for (unsigned n = 0; given < target; n++, given++) {
            char text[80];
            int length = snprintf(text, sizeof text, "%s_%u", hosts[i].address, n);

            points[count++] = (struct point){XXH64(text, (size_t)length, 0), hosts[i].member};
        }
    }
    qsort(points, count, sizeof *points, by_hash);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(town_pick(town, points[i].hash), points[i].member);
        assert_int_equal(town_pick(town, points[i].hash + 1), points[(i + 1) % count].member);
    }
    for (int n = 0; n < 1000; n++) {
        uint64_t key = test_random(random) | 1;
        size_t low = 0, high = count;

        while (low < high) {
            size_t middle = (low + high) / 2;

            if (points[middle].hash < key)
                low = middle + 1;
            else
                high = middle;
        }
        assert_int_equal(town_pick(town, key), points[low % count].member);
    }
    free(points);
    free(hosts);
}

static void compare_maglev(struct town *town, uint64_t *random)
{
    uint64_t size = town->pool.options.maglev_size, filled = 0;
    double least, greatest;
    struct host *hosts = hosts_of(town, &least, &greatest);
    uint32_t *slots = town_get((size_t)size * sizeof *slots);

    for (uint64_t i = 0; i < size; i++)
        slots[i] = UINT32_MAX;
    for (uint32_t i = 0; i < town->count; i++) {
        size_t length = strlen(hosts[i].address);

        hosts[i].offset = XXH64(hosts[i].address, length, 0) % size;
        hosts[i].skip = XXH64(hosts[i].address, length, 1) % (size - 1) + 1;
    }
    for (uint32_t turn = 1; filled < size; turn++)
        for (uint32_t i = 0; i < town->count && filled < size; i++) {
            struct host *host = &hosts[i];

            if (turn * host->share < host->target)
                continue;
            host->target += greatest;
            while (slots[(host->offset + host->skip * host->next) % size] != UINT32_MAX)
                host->next++;
            slots[(host->offset + host->skip * host->next) % size] = host->member;
            filled++;
        }
    for (uint64_t i = 0; i < size; i++) {
        uint64_t key = i + size * (1 + test_below(random, UINT64_C(1) << 40));

        assert_int_equal(town_pick(town, key), slots[i]);
    }
    for (uint32_t i = 0; i < town->count; i++)
        town->ill[i] = i % 2 != 0;
    town_sort_out(town);
    for (int n = 0; n < 1000; n++) {
        uint64_t key = test_random(random) | 1, attempt = 0;

        while (attempt < 16 && town->ill[slots[(key ^ (~UINT64_C(0) - attempt + 1)) % size]])
            attempt++;
        if (attempt < 16)
            assert_int_equal(town_pick(town, key),
                             slots[(key ^ (~UINT64_C(0) - attempt + 1)) % size]);
    }
    free(slots);
    free(hosts);
}

static void compare(const struct resil_picker *picker, uint32_t count, uint32_t weight_max,
                    struct resil_picker_options options)
{
    struct town *town = town_new(picker, count, options);
    uint64_t random = test_seed(21) + count + weight_max;

    for (uint32_t i = 0; i < count; i++) /* shuffled addresses */
        town->members[i].weight = 1 + (uint32_t)test_below(&random, weight_max);
    for (uint32_t i = 0; i < count; i++) {
        struct resil_member *other = &town->members[test_below(&random, count)];
        struct resil_member kept = *other;

        *other = town->members[i];
        town->members[i] = kept;
    }
    town_build(town);
    if (picker == resil_picker_maglev())
        compare_maglev(town, &random);
    else
        compare_ring(town, &random);
    town_free(town);
}

static void ring_equals_its_twin(void **state)
{
    static const uint32_t counts[] = {1, 2, 7, 100, 1025, 3000};
    static const uint32_t weights[] = {1, 3, 65535};

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        for (size_t j = 0; j < sizeof weights / sizeof weights[0]; j++) {
            struct resil_picker_options small = {.ring_min = 1, .ring_max = 1 + counts[i] / 3};

            compare(resil_picker_ring_hash(), counts[i], weights[j],
                    (struct resil_picker_options){0});
            compare(resil_picker_ring_hash(), counts[i], weights[j], small);
        }
    compare(resil_picker_ring_hash(), 10000, 1, (struct resil_picker_options){0});
    compare(resil_picker_ring_hash(), 1, 1, (struct resil_picker_options){.ring_max = 1});
    compare(resil_picker_ring_hash(), 1, 1, (struct resil_picker_options){.ring_max = 2});
    compare(resil_picker_ring_hash(), 50, 1, (struct resil_picker_options){.ring_min = 100000});
}

static void maglev_equals_its_twin(void **state)
{
    static const uint32_t counts[] = {1, 2, 3, 7, 100, 640, 641, 1500};
    static const uint32_t weights[] = {1, 2, 3, 10, 1000, 65535};

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        for (size_t j = 0; j < sizeof weights / sizeof weights[0]; j++)
            compare(resil_picker_maglev(), counts[i], weights[j],
                    (struct resil_picker_options){.maglev_size = counts[i] > 641 ? 65537 : 641});
    compare(resil_picker_maglev(), 2, 1, (struct resil_picker_options){.maglev_size = 2});
    compare(resil_picker_maglev(), 3, 5, (struct resil_picker_options){.maglev_size = 3});
    compare(resil_picker_maglev(), 10000, 1, (struct resil_picker_options){.maglev_size = 65537});
    compare(resil_picker_maglev(), 70001, 3, (struct resil_picker_options){.maglev_size = 655373});
}

/* What a member has of a table of equals, counted by keys. */
static uint64_t slots_of(struct town *town, uint32_t member, uint64_t size)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < size; i++)
        count += town_pick(town, size + i) == member;
    return count;
}

static void maglev_size_follows_the_members(void **state)
{
    static const struct {
        uint64_t asked;
        uint32_t members;
        uint64_t size;
    } rows[] = {{0, 1, 65537},     {0, 655, 65537},    {0, 656, 655373},  {641, 641, 641},
                {641, 642, 65537}, {641, 656, 655373}, {65537, 5, 65537}, {5000011, 1, 5000011}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct town *town = town_new(resil_picker_maglev(), rows[i].members,
                                     (struct resil_picker_options){.maglev_size = rows[i].asked});
        uint64_t own;

        town_build(town);
        own = slots_of(town, 0, rows[i].size);
        assert_in_range(own, rows[i].size / rows[i].members, rows[i].size / rows[i].members + 1);
        town_free(town);
    }
}

static void order_is_by_address_then_weight_then_place(void **state)
{
    static const char *const addresses[] = {"b", "a", "b", "a", "b", "aa", "b"};
    static const uint32_t weights[] = {2, 1, 1, 1, 2, 9, 1}, want[] = {1, 3, 5, 2, 6, 0, 4};
    struct resil_member members[7] = {0};
    uint32_t order[7], scratch[7];

    (void)state;
    for (uint32_t i = 0; i < 7; i++) {
        members[i].address = addresses[i];
        members[i].weight = weights[i];
    }
    resil__order_by_address(members, 7, order, scratch);
    assert_memory_equal(order, want, sizeof want);
    resil__order_by_address(members, 0, order, scratch);
    assert_memory_equal(order, want, sizeof want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_by_address_then_weight_then_place),
        cmocka_unit_test(ring_is_the_one_that_envoy_prints),
        cmocka_unit_test(maglev_is_the_one_that_envoy_prints),
        cmocka_unit_test(ring_equals_its_twin),
        cmocka_unit_test(maglev_equals_its_twin),
        cmocka_unit_test(maglev_size_follows_the_members),
    };

    return cmocka_run_group_tests_name("hash_tables", tests, NULL, NULL);
}
