/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The sliding log. A place holds the time of its last call plus one; 0 = none. Taking a place is
 * one compare-and-swap from a time that has left the period to a newer one: that alone makes the
 * limit exact (see resil/log.h). Then the cursor moves on; who finds it lagging (its place is
 * taken, the next one is free) moves it for the other. Times never fall from one place to the next,
 * so the place at the cursor is the oldest.
 */
#include "limiter/log.h"

#include "base/check.h"
#include "limiter/drained.h"

#define PERIOD_NS_MAX RESIL_SEC(366 * 86400)
#define LIMIT_MAX     UINT64_C(16777216)
#define STALL_NS      RESIL_SEC(60)

static uint64_t *places(struct resil_log *log)
{
    return (uint64_t *)(void *)(log + 1);
}

static const uint64_t *places_of(const struct resil_log *log)
{
    return (const uint64_t *)(const void *)(log + 1);
}

size_t resil_log_size(uint64_t limit)
{
    if (limit == 0 || limit > LIMIT_MAX)
        return 0;
    return sizeof(struct resil_log) + (size_t)limit * sizeof(uint64_t);
}

int resil_log_config_check(const struct resil_log_config *config, char *why, size_t why_size)
{
    struct resil__why to = {why, why_size};

    if (config == NULL)
        return resil__check_fail(to, "config", "is NULL, and limit has no default");
    if (resil__check_required(to, "limit", config->limit, 1, LIMIT_MAX) != RESIL_OK)
        return RESIL_EINVAL;
    return resil__check_range(to, "period_ns", config->period_ns, 1, PERIOD_NS_MAX);
}

int resil_log_init_sized(struct resil_log *log, size_t log_size, size_t size,
                         const struct resil_log_config *config, size_t config_size)
{
    if (log_size != sizeof *log || config_size != sizeof *config)
        return RESIL_EABI;
    if (log == NULL || resil_log_config_check(config, NULL, 0) != RESIL_OK ||
        size < resil_log_size(config->limit))
        return RESIL_EINVAL;
    *log = (struct resil_log){
        .limit_ = config->limit,
        .period_ns_ = resil__default(config->period_ns, RESIL_SEC(1)),
        .drain_ = config->drain_on_overload,
    };
    for (uint64_t i = 0; i < config->limit; i++)
        places(log)[i] = 0;
    return RESIL_OK;
}

static uint64_t index_of(uint64_t head)
{
    return head & UINT32_MAX;
}

static uint64_t following(uint64_t head, uint64_t limit)
{
    return index_of(head) + 1 < limit ? head + 1 : ((head >> 32) + 1) << 32;
}

/** What a place holds after a call at now. */
static uint64_t stamp_of(uint64_t now_ns)
{
    return resil__min(now_ns, UINT64_MAX - 1) + 1;
}

/** A time that can't be: the clock was set back. */
static bool is_astray(uint64_t stamp, uint64_t now_ns)
{
    return stamp - 1 > now_ns && stamp - 1 - now_ns > STALL_NS;
}

static bool is_free(uint64_t stamp, uint64_t period_ns, uint64_t now_ns)
{
    if (stamp == 0 || is_astray(stamp, now_ns))
        return true;
    return now_ns >= stamp - 1 && now_ns - (stamp - 1) >= period_ns;
}

/** The stamp of a call: not older than that of the call before it. */
static uint64_t stamp_after(uint64_t before, uint64_t now_ns)
{
    uint64_t stamp = stamp_of(now_ns);

    return before > stamp && !is_astray(before, now_ns) ? before : stamp;
}

static void say(uint64_t *retry_at_ns, uint64_t at_ns)
{
    if (retry_at_ns != NULL)
        *retry_at_ns = at_ns;
}

/** What one look at the log says. */
struct sight {
    uint64_t head;
    uint64_t stamp;  /* in the place at the head */
    uint64_t oldest; /* of a log that is full */
    bool is_free;
    bool is_lagging; /* the head has to move on first */
};

static struct sight look(const struct resil_log *log, uint64_t period_ns, uint64_t now_ns)
{
    const uint64_t *place = places_of(log);
    uint64_t limit = resil__load_relaxed(&log->limit_);
    struct sight sight = {.head = resil__load_acquire(&log->head_)};

    sight.stamp = resil__load_acquire(&place[index_of(sight.head)]);
    sight.oldest = sight.stamp;
    sight.is_free = is_free(sight.stamp, period_ns, now_ns);
    if (!sight.is_free && limit > 1) {
        uint64_t next = resil__load_acquire(&place[index_of(following(sight.head, limit))]);

        sight.is_lagging = is_free(next, period_ns, now_ns);
        /* At a head that lags lies the newest call, and the oldest behind it. */
        sight.oldest = resil__min(sight.stamp, next);
    }
    return sight;
}

static uint64_t passes_at(const struct sight *sight, uint64_t period_ns, uint64_t until_ns)
{
    uint64_t at_ns =
        sight->is_free || sight->is_lagging ? 0 : resil__add_sat(sight->oldest - 1, period_ns);

    return resil__max(at_ns, until_ns);
}

/* Whoever sees a full log has read the place after the head: that place is the oldest if the head
   has not moved since. */
static bool is_overtaken(const struct resil_log *log, const struct sight *sight)
{
    return resil__load_acquire(&log->head_) != sight->head;
}

int resil__log_take(struct resil_log *log, uint64_t now_ns, struct resil__log_receipt *receipt,
                    uint64_t *retry_at_ns)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t limit = resil__load_relaxed(&log->limit_);

    for (;;) {
        uint64_t period_ns = resil__load_acquire(&log->period_ns_);
        uint64_t until_ns = resil__load_acquire(&log->until_ns_);
        struct sight sight = look(log, period_ns, now_ns);
        uint64_t next = following(sight.head, limit);
        uint64_t index = index_of(sight.head);

        until_ns = resil__drained_at(until_ns, now_ns) ? until_ns : 0;
        if (until_ns != 0 || (!sight.is_free && !sight.is_lagging)) {
            if (is_overtaken(log, &sight))
                continue;
            say(retry_at_ns, passes_at(&sight, period_ns, until_ns));
            return RESIL_ELIMITED;
        }
        if (sight.is_free) {
            uint64_t before = resil__load_acquire(&places(log)[index > 0 ? index - 1 : limit - 1]);
            uint64_t after = stamp_after(before, now_ns);

            if (!resil__cas(&places(log)[index], &sight.stamp, after)) {
                resil__contend(&contend);
                continue;
            }
            *receipt = (struct resil__log_receipt){sight.head, after, sight.stamp};
        }
        (void)resil__cas(&log->head_, &sight.head, next);
        if (sight.is_free)
            return RESIL_OK;
    }
}

/* The place gets its old time back before the cursor does. Should a call come in between, it has
 * taken the next place: the call is struck out all the same, only its place is not found before the
 * cursor comes round. */
int resil__log_give_back(struct resil_log *log, const struct resil__log_receipt *receipt)
{
    uint64_t next = following(receipt->place, resil__load_relaxed(&log->limit_));
    uint64_t stamp = receipt->stamp;

    if (resil__load_acquire(&log->head_) != next ||
        !resil__cas(&places(log)[index_of(receipt->place)], &stamp, receipt->before))
        return RESIL_ELATE;
    (void)resil__cas(&log->head_, &next, receipt->place);
    return RESIL_OK;
}

int resil_log_acquire(struct resil_log *log, uint64_t now_ns, uint64_t *retry_at_ns)
{
    struct resil__log_receipt receipt;

    return resil__log_take(log, now_ns, &receipt, retry_at_ns);
}

int resil_log_reserve(struct resil_log *log, uint64_t now_ns, struct resil_reservation *reservation)
{
    struct resil__log_receipt receipt = {.place = 0};
    uint64_t at_ns = now_ns;
    int rc = resil__log_take(log, now_ns, &receipt, &at_ns);

    *reservation = (struct resil_reservation){
        .at_ns = at_ns,
        .word_ = receipt.place,
        .back_ = receipt.stamp,
        .mark_ = receipt.before,
    };
    return rc;
}

int resil_log_cancel(struct resil_log *log, struct resil_reservation *reservation, uint64_t now_ns)
{
    struct resil__log_receipt receipt = {
        .place = reservation->word_,
        .stamp = reservation->back_,
        .before = reservation->mark_,
    };

    if (receipt.stamp == 0)
        return RESIL_EINVAL;
    reservation->back_ = 0;
    /* Out of the period, or from before the clock was set back: it counts for nothing any more. */
    if (is_free(receipt.stamp, resil__load_acquire(&log->period_ns_), now_ns))
        return RESIL_ELATE;
    return resil__log_give_back(log, &receipt);
}

int resil_log_peek(const struct resil_log *log, uint64_t now_ns, uint64_t *retry_at_ns)
{
    uint64_t period_ns, until_ns, at_ns;
    struct sight sight;

    do {
        period_ns = resil__load_acquire(&log->period_ns_);
        until_ns = resil__load_acquire(&log->until_ns_);
        until_ns = resil__drained_at(until_ns, now_ns) ? until_ns : 0;
        sight = look(log, period_ns, now_ns);
        at_ns = passes_at(&sight, period_ns, until_ns);
    } while (at_ns > now_ns && is_overtaken(log, &sight));
    say(retry_at_ns, resil__max(at_ns, now_ns));
    return at_ns > now_ns ? RESIL_ELIMITED : RESIL_OK;
}

void resil_log_drain(struct resil_log *log, uint64_t for_ns, uint64_t now_ns)
{
    resil__drained_extend(&log->until_ns_, for_ns, now_ns);
}

void resil_log_snapshot(const struct resil_log *log, uint64_t now_ns,
                        struct resil_log_snapshot *snapshot)
{
    uint64_t period_ns = resil__load_acquire(&log->period_ns_);
    uint64_t until_ns = resil__load_acquire(&log->until_ns_);
    uint64_t limit = resil__load_relaxed(&log->limit_);
    uint64_t used = 0;

    for (uint64_t i = 0; i < limit; i++)
        used += !is_free(resil__load_acquire(&places_of(log)[i]), period_ns, now_ns);
    until_ns = resil__drained_at(until_ns, now_ns) ? until_ns : 0;
    *snapshot = (struct resil_log_snapshot){
        .used = used,
        .available = until_ns != 0 ? 0 : limit - used,
        .limit = limit,
        .period_ns = period_ns,
        .drained_until_ns = until_ns,
    };
    (void)resil_log_peek(log, now_ns, &snapshot->next_at_ns);
}

int resil_log_reconfigure(struct resil_log *log, const struct resil_log_config *config, char *why,
                          size_t why_size)
{
    if (resil_log_config_check(config, why, why_size) != RESIL_OK)
        return RESIL_EINVAL;
    if (config->limit != resil__load_relaxed(&log->limit_))
        return resil__check_fail((struct resil__why){why, why_size}, "limit",
                                 "can't change: it is the size of the memory");
    /* No order: each stands for itself. */
    resil__store_relaxed(&log->period_ns_, resil__default(config->period_ns, RESIL_SEC(1)));
    resil__store_relaxed(&log->drain_, config->drain_on_overload);
    return RESIL_OK;
}

/* Nobody else may be here: no order. */
void resil_log_rebase(struct resil_log *log, uint64_t now_ns)
{
    uint64_t limit = resil__load_relaxed(&log->limit_);

    resil__store_relaxed(&log->until_ns_, 0);
    for (uint64_t i = 0; i < limit; i++)
        if (resil__load_relaxed(&places(log)[i]) != 0)
            resil__store_relaxed(&places(log)[i], stamp_of(now_ns));
}
