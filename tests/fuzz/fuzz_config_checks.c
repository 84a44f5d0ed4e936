/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Every config check with fields of any value: a refusal is one line that fits, a config that
 * passes is one that init takes, and what init made holds its ground at any time and cost.
 */
#include <resil/resil.h>

#include "take.h"

/* Fills every word; the fields that aren't numbers are set afterwards. */
#define FILL(bytes, config)                                                                        \
    do {                                                                                           \
        for (size_t word_ = 0; word_ < sizeof(config) / 8; word_++) {                              \
            uint64_t value_ = (bytes)->left > 0 ? take_value(bytes) : 0;                           \
            memcpy((char *)&(config) + word_ * 8, &value_, 8);                                     \
        }                                                                                          \
    } while (0)

static void check_line(const char *why, size_t size, int rc)
{
    const char *end = memchr(why, '\0', size);

    if (rc == RESIL_OK) {
        FUZZ_CHECK(strcmp(why, "untouched") == 0);
        return;
    }
    FUZZ_CHECK(rc == RESIL_EINVAL && end != NULL && end > why && strcmp(why, "untouched") != 0);
    for (; why < end; why++)
        FUZZ_CHECK(*why >= ' ' && *why <= '~');
}

/* Runs a check into a line, into a short one, and into none. */
#define CHECK_INTO(check, config, rc)                                                              \
    do {                                                                                           \
        char why_[256] = "untouched", short_[8] = "abcdefg";                                       \
        (rc) = check(&(config), why_, sizeof why_);                                                \
        check_line(why_, sizeof why_, rc);                                                         \
        FUZZ_CHECK(check(&(config), short_, 4) == (rc));                                           \
        FUZZ_CHECK((rc) == RESIL_OK ? strcmp(short_, "abcdefg") == 0                               \
                                    : memcmp(short_, why_, 3) == 0 && short_[3] == '\0');          \
        FUZZ_CHECK(strcmp(short_ + 4, "efg") == 0);                                                \
        FUZZ_CHECK(check(&(config), NULL, 0) == (rc));                                             \
    } while (0)

#ifdef FUZZ_CONTROL
/* A twin that lets everything pass. */
static int lax(const struct resil_bulkhead_config *config, char *why, size_t why_size)
{
    (void)config;
    (void)why;
    (void)why_size;
    return RESIL_OK;
}
#define resil_bulkhead_config_check lax
#endif

static void breaker(struct fuzz_bytes *bytes)
{
    struct resil_breaker_config config;
    struct resil_breaker object;
    struct resil_breaker_snapshot snapshot;
    int rc;

    FILL(bytes, config);
    CHECK_INTO(resil_breaker_config_check, config, rc);
    FUZZ_CHECK(resil_breaker_init(&object, &config) == rc);
    if (rc != RESIL_OK)
        return;
    for (unsigned i = 0; i < 40 && bytes->left > 0; i++) {
        struct resil_permit permit;
        uint64_t now_ns = take_value(bytes);

        if (resil_breaker_acquire(&object, now_ns, &permit) != RESIL_OK)
            continue;
        (void)resil_breaker_record(
            &object, &permit, take_value(bytes),
            &(struct resil_result){.outcome = (enum resil_outcome)take_below(bytes, 12),
                                   .hint_ns = take_value(bytes)});
        FUZZ_CHECK(resil_breaker_snapshot(&object, take_value(bytes), &snapshot) == RESIL_OK);
    }
}

static void budget(struct fuzz_bytes *bytes)
{
    struct resil_budget_config config;
    struct resil_budget object;
    struct resil_budget_snapshot snapshot;
    int rc;

    FILL(bytes, config);
    CHECK_INTO(resil_budget_config_check, config, rc);
    FUZZ_CHECK(resil_budget_init(&object, &config) == rc);
    if (rc != RESIL_OK)
        return;
    for (unsigned i = 0; i < 40 && bytes->left > 0; i++) {
        uint64_t now_ns = take_value(bytes);

        if (take_below(bytes, 2) == 0)
            resil_budget_deposit(&object, now_ns);
        else
            (void)resil_budget_withdraw(&object, take_value(bytes), now_ns);
        FUZZ_CHECK(resil_budget_snapshot(&object, take_value(bytes), &snapshot) == RESIL_OK);
    }
}

static void bulkhead(struct fuzz_bytes *bytes)
{
    struct resil_bulkhead_config config;
    struct resil_bulkhead object;
    int rc;

    FILL(bytes, config);
    CHECK_INTO(resil_bulkhead_config_check, config, rc);
    FUZZ_CHECK(resil_bulkhead_init(&object, &config) == rc);
}

static void queue(struct fuzz_bytes *bytes)
{
    static struct resil_bulkhead bulkhead_of_queue;
    struct resil_queue_config config;
    struct resil_queue object;
    int rc;

    FILL(bytes, config);
    config.lifo = take_below(bytes, 2) != 0;
    CHECK_INTO(resil_queue_config_check, config, rc);
    FUZZ_CHECK(resil_bulkhead_init(&bulkhead_of_queue, NULL) == RESIL_OK);
    FUZZ_CHECK(resil_queue_init(&object, &bulkhead_of_queue, &config) == rc);
    if (rc == RESIL_OK)
        FUZZ_CHECK(resil_queue_fini(&object) == RESIL_OK);
}

static void limiter(struct fuzz_bytes *bytes)
{
    struct resil_limiter_config config;
    struct resil_limiter object;
    struct resil_limiter_snapshot snapshot;
    struct resil_reservation reservation;
    uint64_t retry_at_ns;
    int rc;

    FILL(bytes, config);
    config.drain_on_overload = take_below(bytes, 2) != 0;
    CHECK_INTO(resil_limiter_config_check, config, rc);
    FUZZ_CHECK(resil_limiter_init(&object, &config) == rc);
    if (rc != RESIL_OK)
        return;
    for (unsigned i = 0; i < 40 && bytes->left > 0; i++) {
        uint64_t now_ns = take_value(bytes), cost = take_value(bytes);

        switch (take_below(bytes, 5)) {
        case 0:
            resil_limiter_drain(&object, take_value(bytes), now_ns);
            break;
        case 1:
            if (resil_limiter_reserve(&object, cost, now_ns, take_value(bytes), &reservation) ==
                RESIL_OK)
                (void)resil_limiter_cancel(&object, &reservation, take_value(bytes));
            break;
        case 2:
            resil_limiter_rebase(&object, now_ns);
            break;
        default:
            (void)resil_limiter_acquire(&object, cost, now_ns, &retry_at_ns);
            (void)resil_limiter_peek(&object, cost, now_ns, &retry_at_ns);
            break;
        }
        resil_limiter_snapshot(&object, take_value(bytes), &snapshot);
    }
}

static void pacer(struct fuzz_bytes *bytes)
{
    struct resil_pacer_config config;
    struct resil_pacer object;
    struct resil_pacer_snapshot snapshot;
    uint64_t retry_at_ns;
    int rc;

    FILL(bytes, config);
    config.drain_on_overload = take_below(bytes, 2) != 0;
    CHECK_INTO(resil_pacer_config_check, config, rc);
    FUZZ_CHECK(resil_pacer_init(&object, &config) == rc);
    if (rc != RESIL_OK)
        return;
    for (unsigned i = 0; i < 40 && bytes->left > 0; i++) {
        uint64_t now_ns = take_value(bytes);

        if (take_below(bytes, 4) == 0)
            resil_pacer_drain(&object, take_value(bytes), now_ns);
        (void)resil_pacer_peek(&object, take_value(bytes), now_ns, &retry_at_ns);
        (void)resil_pacer_acquire(&object, take_value(bytes), now_ns, &retry_at_ns);
        resil_pacer_snapshot(&object, take_value(bytes), &snapshot);
    }
}

static void window(struct fuzz_bytes *bytes)
{
    struct resil_window_config config;
    struct resil_window object;
    uint64_t retry_at_ns;
    int rc;

    FILL(bytes, config);
    config.drain_on_overload = take_below(bytes, 2) != 0;
    CHECK_INTO(resil_window_config_check, config, rc);
    FUZZ_CHECK(resil_window_init(&object, &config) == rc);
    for (unsigned i = 0; rc == RESIL_OK && i < 40 && bytes->left > 0; i++)
        (void)resil_window_acquire(&object, take_value(bytes), take_value(bytes), &retry_at_ns);
}

/* The records of a log and the tables of keys are as large as the config says. */
#define ROOM_MAX ((size_t)1 << 20)

static void request_log(struct fuzz_bytes *bytes)
{
    struct resil_log_config config;
    uint64_t retry_at_ns;
    size_t size;
    void *object;
    int rc;

    FILL(bytes, config);
    config.drain_on_overload = take_below(bytes, 2) != 0;
    CHECK_INTO(resil_log_config_check, config, rc);
    size = resil_log_size(config.limit);
    if (rc != RESIL_OK || size > ROOM_MAX)
        return;
    object = aligned_alloc(64, (size + 63) / 64 * 64);
    FUZZ_CHECK(object != NULL && resil_log_init(object, size, &config) == RESIL_OK);
    for (unsigned i = 0; i < 40 && bytes->left > 0; i++)
        (void)resil_log_acquire(object, take_value(bytes), &retry_at_ns);
    free(object);
}

static void keyed_limiter(struct fuzz_bytes *bytes)
{
    struct resil_keyed_limiter_config config;
    size_t size;
    void *object;
    int rc;

    FILL(bytes, config);
    CHECK_INTO(resil_keyed_limiter_config_check, config, rc);
    size = resil_keyed_limiter_size(config.keys);
    if (rc != RESIL_OK || size > ROOM_MAX)
        return;
    object = aligned_alloc(64, (size + 63) / 64 * 64);
    FUZZ_CHECK(object != NULL && resil_keyed_limiter_init(object, size, &config) == RESIL_OK);
    free(object);
}

static void keyed_breaker(struct fuzz_bytes *bytes)
{
    struct resil_keyed_breaker_config config;
    size_t size;
    void *object;
    int rc;

    FILL(bytes, config);
    CHECK_INTO(resil_keyed_breaker_config_check, config, rc);
    size = resil_keyed_breaker_size(config.keys);
    if (rc != RESIL_OK || size > ROOM_MAX)
        return;
    object = aligned_alloc(64, (size + 63) / 64 * 64);
    FUZZ_CHECK(object != NULL && resil_keyed_breaker_init(object, size, &config) == RESIL_OK);
    free(object);
}

static void backoff(struct fuzz_bytes *bytes)
{
    struct resil_backoff_config config;
    uint64_t delay_ns = 0;
    int rc;

    FILL(bytes, config);
    CHECK_INTO(resil_backoff_config_check, config, rc);
    for (unsigned i = 0; rc == RESIL_OK && i < 40 && bytes->left > 0; i++) {
        delay_ns = resil_backoff_next(&config, take_value(bytes), delay_ns, take_value(bytes));
        FUZZ_CHECK(delay_ns <= (config.cap_ns == 0 ? RESIL_SEC(2) : config.cap_ns));
        (void)resil_backoff_floor(&config, delay_ns, take_value(bytes), take_value(bytes));
    }
}

static void retry(struct fuzz_bytes *bytes)
{
    static struct resil_budget full;
    struct resil_budget empty = {0};
    struct resil_retry_config config;
    struct resil_retry object;
    int rc;

    FILL(bytes, config);
    FUZZ_CHECK(resil_budget_init(&full, NULL) == RESIL_OK);
    config.budget = (struct resil_budget *[]){NULL, &full, &empty}[take_below(bytes, 3)];
    CHECK_INTO(resil_retry_config_check, config, rc);
    FUZZ_CHECK(resil_retry_init(&object, &config) == rc);
}

static void hedge(struct fuzz_bytes *bytes)
{
    static struct resil_budget full;
    struct resil_budget empty = {0};
    struct resil_hedge_config config;
    struct resil_hedge object;
    int rc;

    FILL(bytes, config);
    FUZZ_CHECK(resil_budget_init(&full, NULL) == RESIL_OK);
    config.budget = (struct resil_budget *[]){NULL, &full, &empty}[take_below(bytes, 3)];
    CHECK_INTO(resil_hedge_config_check, config, rc);
    FUZZ_CHECK(resil_hedge_init(&object, &config) == rc);
}

static void timeout_and_fallback(struct fuzz_bytes *bytes)
{
    struct resil_timeout_config timeout;
    struct resil_fallback_config fallback;
    struct resil_timeout timeout_object;
    struct resil_fallback fallback_object;
    int rc;

    FILL(bytes, timeout);
    CHECK_INTO(resil_timeout_config_check, timeout, rc);
    FUZZ_CHECK(resil_timeout_init(&timeout_object, &timeout) == rc);
    FILL(bytes, fallback);
    CHECK_INTO(resil_fallback_config_check, fallback, rc);
    FUZZ_CHECK(resil_fallback_init(&fallback_object, &fallback) == rc);
}

static const char *take_text(struct fuzz_bytes *bytes)
{
    static char text[1500];
    size_t size = (size_t)take_below(bytes, sizeof text);

    if (take_below(bytes, 4) == 0)
        return NULL;
    if (size > bytes->left)
        size = bytes->left;
    memcpy(text, bytes->at, size);
    text[size] = '\0';
    bytes->at += size;
    bytes->left -= size;
    return text;
}

/* Without members: the first update would allocate, init doesn't. */
static void balancer(struct fuzz_bytes *bytes)
{
    struct resil_balancer_config config;
    struct resil_balancer object;
    int rc;

    FILL(bytes, config);
    config.picker =
        (const struct resil_picker *[]){NULL, resil_picker_peak_ewma(), resil_picker_maglev(),
                                        resil_picker_ring_hash()}[take_below(bytes, 4)];
    config.options.user = NULL;
    config.priority.fail_on_panic = take_below(bytes, 2) != 0;
    config.canary.version = take_below(bytes, 2) != 0 ? "v2" : NULL;
    config.canary.by_chance = take_below(bytes, 2) != 0;
    config.zone = take_text(bytes);
    config.subsets = NULL;
    config.subset_count = (size_t)take_below(bytes, 2);
    config.rehash_on_retry = take_below(bytes, 2) != 0;
    config.allocator = NULL;
    config.state_init = NULL;
    config.state_fini = NULL;
    config.state_arg = NULL;
    CHECK_INTO(resil_balancer_config_check, config, rc);
    FUZZ_CHECK(resil_balancer_init(&object, &config) == rc);
    if (rc == RESIL_OK)
        FUZZ_CHECK(resil_balancer_fini(&object) == RESIL_OK);
}

static void parts_of_a_balancer(struct fuzz_bytes *bytes)
{
    struct resil_outlier_config outlier;
    struct resil_slow_start_config slow_start;
    struct resil_priority_config priority;
    struct resil_canary_config canary;
    int rc;

    FILL(bytes, outlier);
    CHECK_INTO(resil_outlier_config_check, outlier, rc);
    FILL(bytes, slow_start);
    CHECK_INTO(resil_slow_start_config_check, slow_start, rc);
    FILL(bytes, priority);
    priority.fail_on_panic = take_below(bytes, 2) != 0;
    CHECK_INTO(resil_priority_config_check, priority, rc);
    FILL(bytes, canary);
    canary.version = take_text(bytes);
    canary.by_chance = take_below(bytes, 2) != 0;
    CHECK_INTO(resil_canary_config_check, canary, rc);
}

/* Leases on a limiter and on a bulkhead of any size. */
static void leased(struct fuzz_bytes *bytes)
{
    static struct resil_leased_limiter tokens;
    static struct resil_leased_bulkhead permits;
    struct resil_leased_limiter_config limiter_config;
    struct resil_leased_bulkhead_config bulkhead_config;
    struct resil_limiter limiter_below;
    struct resil_bulkhead bulkhead_below;
    struct resil_bulkhead_snapshot snapshot;
    uint64_t retry_at_ns, limit = 1 + take_below(bytes, 65536);
    int rc;

    FUZZ_CHECK(resil_limiter_init(&limiter_below, &(struct resil_limiter_config){.tokens = limit,
                                                                                 .burst = limit}) ==
               RESIL_OK);
    FUZZ_CHECK(resil_bulkhead_init(&bulkhead_below,
                                   &(struct resil_bulkhead_config){.limit = limit}) == RESIL_OK);
    FILL(bytes, limiter_config);
    CHECK_INTO(resil_leased_limiter_config_check, limiter_config, rc);
    FUZZ_CHECK(resil_leased_limiter_init(&tokens, &limiter_below, &limiter_config) == rc);
    for (unsigned i = 0; rc == RESIL_OK && i < 40 && bytes->left > 0; i++)
        (void)resil_leased_limiter_acquire(&tokens, take_value(bytes), take_value(bytes),
                                           &retry_at_ns);
    FILL(bytes, bulkhead_config);
    CHECK_INTO(resil_leased_bulkhead_config_check, bulkhead_config, rc);
    FUZZ_CHECK(resil_leased_bulkhead_init(&permits, &bulkhead_below, &bulkhead_config) == rc);
    if (rc != RESIL_OK)
        return;
    for (unsigned i = 0; i < 40 && bytes->left > 0; i++)
        if (resil_leased_bulkhead_acquire(&permits) == RESIL_OK)
            FUZZ_CHECK(resil_leased_bulkhead_release(&permits) == RESIL_OK);
    resil_leased_bulkhead_flush(&permits);
    FUZZ_CHECK(resil_bulkhead_snapshot(&bulkhead_below, &snapshot) == RESIL_OK);
    FUZZ_CHECK(snapshot.in_flight == 0);
}

/* Two that have no check of their own: a guard takes what the checks of its two configs take, and
   counters say by their size which numbers of stripes there are. */
static void guard_and_counters(struct fuzz_bytes *bytes)
{
    static struct resil_balancer nobodys;
    static _Alignas(RESIL_STRIPES_ALIGN) unsigned char memory[1 << 16];
    struct resil_breaker_config breaker_config;
    struct resil_bulkhead_config bulkhead_config;
    struct resil_guard_config config = {0};
    struct resil_guard_state state;
    struct resil_guard object;
    const struct resil_endpoint endpoint = {.address = "a", .weight = 1};
    uint64_t stripes = take_value(bytes);
    size_t size = resil_counters_size(stripes);
    bool legal;

    FILL(bytes, breaker_config);
    FILL(bytes, bulkhead_config);
    config.breaker = take_below(bytes, 2) != 0 ? &breaker_config : NULL;
    config.bulkhead = take_below(bytes, 2) != 0 ? &bulkhead_config : NULL;
    legal = (config.breaker != NULL || config.bulkhead != NULL) &&
            (config.breaker == NULL || resil_breaker_config_check(config.breaker, NULL, 0) == 0) &&
            (config.bulkhead == NULL || resil_bulkhead_config_check(config.bulkhead, NULL, 0) == 0);
    FUZZ_CHECK((resil_guard_init(&object, &nobodys, &config) == RESIL_OK) == legal);
    if (legal)
        FUZZ_CHECK(resil_guard_state(&object, &state, &endpoint) == RESIL_OK);
    if (size <= sizeof memory)
        FUZZ_CHECK((resil_counters_init((struct resil_counters *)(void *)memory, sizeof memory,
                                        stripes) == RESIL_OK) == (size != 0));
}

static void health(struct fuzz_bytes *bytes)
{
    struct resil_health_config config;
    struct resil_health object;
    int rc;

    FILL(bytes, config);
    config.changed = NULL;
    CHECK_INTO(resil_health_config_check, config, rc);
    FUZZ_CHECK(resil_health_init(&object, &config, NULL, 1) == rc);
    if (rc == RESIL_OK)
        FUZZ_CHECK(resil_health_fini(&object) == RESIL_OK);
}

static bool yes(void *arg, const char *address, void *user, uint64_t deadline_ns)
{
    (void)arg;
    (void)address;
    (void)user;
    (void)deadline_ns;
    return true;
}

static void drivers(struct fuzz_bytes *bytes)
{
    struct resil_file_resolver_config file;
    struct resil_file_resolver object;
    struct resil_prober_config prober;
    int rc;

    FILL(bytes, file);
    file.path = take_text(bytes);
    file.allocator = NULL;
    CHECK_INTO(resil_file_resolver_config_check, file, rc);
    FUZZ_CHECK(resil_file_resolver_init(&object, &file) == rc);
    FILL(bytes, prober);
    prober.health.changed = NULL;
    prober.http_path = take_text(bytes);
    prober.http_host = take_below(bytes, 2) != 0 ? prober.http_path : NULL;
    prober.probe = take_below(bytes, 2) != 0 ? yes : NULL;
    prober.allocator = NULL;
    CHECK_INTO(resil_prober_config_check, prober, rc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const nouns[])(struct fuzz_bytes *) = {
        breaker,
        budget,
        bulkhead,
        queue,
        limiter,
        pacer,
        window,
        request_log,
        keyed_limiter,
        keyed_breaker,
        backoff,
        retry,
        hedge,
        balancer,
        timeout_and_fallback,
        health,
        drivers,
        parts_of_a_balancer,
        leased,
        guard_and_counters,
    };
    struct fuzz_bytes bytes = {.at = data, .left = size};

    nouns[take_below(&bytes, sizeof nouns / sizeof *nouns)](&bytes);
    return 0;
}
