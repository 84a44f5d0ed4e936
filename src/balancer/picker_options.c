/* SPDX-License-Identifier: BSD-2-Clause */
#include "balancer/picker_options.h"

#include "base/math.h"

#define CHOICES_DEFAULT  UINT64_C(2)
#define DECAY_DEFAULT    RESIL_SEC(10)
#define FIRST_DEFAULT    RESIL_MS(30)
#define RING_MIN_DEFAULT UINT64_C(1024)
#define RING_MAX_DEFAULT UINT64_C(65536)
#define RING_LIMIT       UINT64_C(8388608)
#define MAGLEV_LIMIT     UINT64_C(5000011)
#define BOUNDED_DEFAULT  UINT64_C(125)
#define HOT_DEFAULT      UINT64_C(84)
#define PROBE_DEFAULT    RESIL_SEC(1)

/* Trial division: at most 2,236 of them. */
static bool is_prime(uint64_t number)
{
    for (uint64_t d = 2; d * d <= number; d++)
        if (number % d == 0)
            return false;
    return number >= 2;
}

static int check_tables(const struct resil_picker_options *options, struct resil__why why)
{
    int rc = resil__check_range(why, "ring_min", options->ring_min, 1, RING_LIMIT);

    if (rc == RESIL_OK)
        rc = resil__check_range(why, "ring_max", options->ring_max,
                                resil__default(options->ring_min, 1), RING_LIMIT);
    if (rc == RESIL_OK)
        rc = resil__check_range(why, "maglev_size", options->maglev_size, 2, MAGLEV_LIMIT);
    if (rc == RESIL_OK && options->maglev_size != 0 && !is_prime(options->maglev_size))
        rc = resil__check_fail(why, "maglev_size", "must be a prime");
    return rc;
}

int resil__picker_options_check(const struct resil_picker_options *options, struct resil__why why)
{
    int rc = resil__check_range(why, "choices", options->choices, 2, 16);

    if (rc == RESIL_OK)
        rc = resil__check_range(why, "decay_ns", options->decay_ns, RESIL_MS(10), RESIL_SEC(600));
    if (rc == RESIL_OK)
        rc = resil__check_range(why, "first_ns", options->first_ns, RESIL_US(1), RESIL_SEC(600));
    if (rc == RESIL_OK)
        rc = check_tables(options, why);
    if (rc == RESIL_OK)
        rc = resil__check_range(why, "bounded_pct", options->bounded_pct, 101, 1000);
    if (rc == RESIL_OK)
        rc = resil__check_range(why, "hot_pct", options->hot_pct, 1, 100);
    if (rc == RESIL_OK)
        rc = resil__check_range(why, "probe_ns", options->probe_ns, RESIL_MS(1), RESIL_SEC(600));
    return rc;
}

void resil__picker_options_fill(struct resil_picker_options *options)
{
    uint64_t ring_max = resil__default(options->ring_max, RING_MAX_DEFAULT);

    options->choices = resil__default(options->choices, CHOICES_DEFAULT);
    options->decay_ns = resil__default(options->decay_ns, DECAY_DEFAULT);
    options->first_ns = resil__default(options->first_ns, FIRST_DEFAULT);
    options->ring_min = resil__default(options->ring_min, resil__min(RING_MIN_DEFAULT, ring_max));
    options->ring_max = resil__max(ring_max, options->ring_min);
    options->bounded_pct = resil__default(options->bounded_pct, BOUNDED_DEFAULT);
    options->hot_pct = resil__default(options->hot_pct, HOT_DEFAULT);
    options->probe_ns = resil__default(options->probe_ns, PROBE_DEFAULT);
}
