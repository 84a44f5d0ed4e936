/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A pick: one section, in which the view can't go away, and one addition to the host's calls in
 * flight, which keeps the host when the section is left.
 */
#include "balancer/pick.h"

#include "base/compiler.h"

/* How often a picker that knows nothing of exclusion is asked before everybody is looked at. */
#define TRIES 8

/* Where a way through the view has come to. */
struct way {
    const struct resil__view *view;
    const struct resil_pick_request *request;
    struct resil_pick_context context;
    const struct resil__tier *tier;
    uint32_t pool;
    uint32_t candidate; /* RESIL_PICK_NONE: nobody yet */
};

/* One of the candidates that are not excluded, by weight. */
static uint32_t pick_rest(const struct resil_pool *pool, struct resil_pick_context *context)
{
    uint64_t weight = 0;
    uint64_t draw;

    for (uint32_t i = 0; i < pool->count; i++)
        if (resil__pick_allowed(pool, context, i))
            weight += pool->candidates[i].weight;
    draw = resil__random_below(resil__pick_random(context), weight);
    for (uint32_t i = 0; i < pool->count; i++) {
        if (!resil__pick_allowed(pool, context, i))
            continue;
        if (draw < pool->candidates[i].weight)
            return i;
        draw -= pool->candidates[i].weight;
    }
    return RESIL_PICK_NONE;
}

static uint32_t from_pool(const struct resil__view *view, uint32_t number,
                          struct resil_pick_context *context)
{
    const struct resil_pool *pool;
    uint32_t candidate = RESIL_PICK_NONE;

    if (number == RESIL__NO_POOL)
        return RESIL_PICK_NONE;
    pool = &view->pools[number];
    if (pool->count == 0)
        return RESIL_PICK_NONE;
    for (int i = 0; i < TRIES; i++) {
        candidate = view->pick(pool, context);
        /* A program's picker may answer anything. */
        if (candidate >= pool->count)
            return RESIL_PICK_NONE;
        if (resil__pick_allowed(pool, context, candidate))
            return candidate;
    }
    return pick_rest(pool, context);
}

/* Decisions on the way to a pool follow the key where the picker does, so that a key keeps its
   way. */
static uint64_t draw_below(struct way *way, uint64_t bound, uint64_t salt)
{
    if (way->context.key != 0 && (way->view->flags & RESIL_PICKER_KEYED) != 0)
        return resil__random_below(resil__mix(way->context.key + salt), bound);
    return resil__random_below(resil__pick_random(&way->context), bound);
}

static bool from_tier(struct way *way, const struct resil__tier *tier)
{
    size_t side = 0;

    if (tier->panic && way->request->no_panic)
        return false;
    if (tier->pool[1] != RESIL__NO_POOL && draw_below(way, 10000, 1) >= tier->local_bp)
        side = 1;
    way->tier = tier;
    for (size_t i = 0; i < 2 && way->candidate == RESIL_PICK_NONE; i++) {
        way->pool = tier->pool[side ^ i];
        way->candidate = from_pool(way->view, way->pool, &way->context);
    }
    return way->candidate != RESIL_PICK_NONE;
}

static bool from_slice(struct way *way, const struct resil__slice *slice)
{
    uint64_t draw;
    uint32_t first = 0;

    if (slice->count == 0)
        return false;
    if (slice->count > 1) {
        draw = draw_below(way, 100, 2);
        while (first + 1 < slice->count && draw >= slice->tiers[first].upto)
            first++;
    }
    if (from_tier(way, &slice->tiers[first]))
        return true;
    for (uint32_t t = 0; t < slice->count; t++)
        if (t != first && from_tier(way, &slice->tiers[t]))
            return true;
    return false;
}

/* The version that the canary's share says, then the other. */
static bool from_subset(struct way *way, const struct resil__balancer *lb, uint64_t subset)
{
    const struct resil__slice *slices = &way->view->slices[subset * 2];
    size_t arm = 0;

    if (way->view->list->canary) {
        bool by_key = way->context.key != 0 && !way->view->by_chance;
        uint64_t draw = by_key ? way->context.key : resil__pick_random(&way->context);

        arm = resil__canary_choose(way->view->salt, resil__load_relaxed32(&lb->canary_bp), draw);
    }
    return from_slice(way, &slices[arm]) ||
           (way->view->list->canary && from_slice(way, &slices[arm ^ 1]));
}

static bool find_way(struct way *way, const struct resil__balancer *lb)
{
    uint64_t subset = way->request->subset;

    if (from_subset(way, lb, subset))
        return true;
    return subset != 0 && (way->view->list->fallbacks >> subset & 1) != 0 &&
           from_subset(way, lb, 0);
}

static void fill(struct resil_pick *pick, const struct resil__view *view,
                 const struct resil_member *member)
{
    const struct resil__host *host = (const void *)member->load;

    pick->id = member->id;
    pick->address = member->address;
    pick->user = member->user;
    pick->state = view->stateful ? host->state : NULL;
    pick->priority = view->priority;
    pick->canary = false;
    pick->panic = false;
    pick->reused = false;
    pick->host_ = member->load;
    pick->claim_ = NULL;
}

static bool pick_sticky(const struct resil__view *view, const struct resil_pick_request *request,
                        const struct resil_pick_context *context, struct resil_pick *pick)
{
    uint32_t place = resil__find_id(view->list, request->sticky);
    struct resil__entry *entry;

    if (place == UINT32_MAX || view->sticky[place] == 0 ||
        resil__pick_excluded(context, request->sticky))
        return false;
    entry = &view->list->entries[place];
    (void)resil__add_relaxed(&entry->host->load.in_flight_, 1);
    fill(pick, view,
         &(struct resil_member){.load = &entry->host->load,
                                .address = entry->host->address,
                                .user = entry->given.user,
                                .id = entry->host->id});
    pick->priority = (uint8_t)entry->given.priority;
    pick->canary = entry->canary;
    return true;
}

/* The candidate's calls in flight keep it from here on. */
static inline void take(const struct resil__view *view, const struct resil_pool *pool,
                        uint32_t number, uint32_t stripe, struct resil_pick *pick)
{
    const struct resil_candidate *candidate = &pool->candidates[number];

    fill(pick, view, &pool->members[candidate->member]);
    if ((view->flags & RESIL_PICKER_CLAIMS_) != 0)
        pick->claim_ = &pool->turns_->stripes[stripe].in_flight;
    else
        (void)resil__add_relaxed(&candidate->load->in_flight_, 1);
}

/* Everything but the short way. */
static int pick_slowly(struct way *way, const struct resil__balancer *lb, struct resil_pick *pick)
{
    const struct resil__view *view = way->view;
    const struct resil_pick_request *request = way->request;
    const struct resil_pool *pool;
    bool reused = false;

    if (request->subset >= view->list->slice_count / 2)
        return RESIL_EINVAL;
    if (request->sticky != 0 && pick_sticky(view, request, &way->context, pick))
        return RESIL_OK;
    if (view->admit_bp < 10000 &&
        resil__random_below(resil__pick_random(&way->context), 10000) >= view->admit_bp)
        return RESIL_EUNAVAILABLE;
    if (!find_way(way, lb)) {
        if (way->context.excluded_count == 0 || request->no_reuse)
            return RESIL_EUNAVAILABLE;
        way->context.excluded_count = 0;
        reused = true;
        if (!find_way(way, lb))
            return RESIL_EUNAVAILABLE;
    }
    pool = &view->pools[way->pool];
    take(view, pool, way->candidate, way->context.stripe_, pick);
    pick->priority = way->tier->priority;
    pick->panic = way->tier->panic;
    pick->canary =
        view->list->entries[pool->members[pool->candidates[way->candidate].member].place_].canary;
    pick->reused = reused;
    return RESIL_OK;
}

static void begin(struct resil_pick_context *context, const struct resil__balancer *lb,
                  struct resil__reader *reader, const struct resil_pick_request *request,
                  uint64_t now_ns)
{
    uint64_t *random = resil__reader_random(reader);

    context->key = request->key;
    context->now_ns = now_ns;
    context->excluded = request->excluded;
    context->excluded_count = resil__min(request->excluded_count, RESIL__EXCLUDED);
    context->stripe_ = resil__reader_number(reader) % RESIL__STRIPES;
    /* What is drawn from it is mixed; the step differs from the generator's own. */
    context->random_ = request->random;
    if (context->random_ == 0)
        context->random_ = (*random += UINT64_C(0xd1342543de82ef95)) ^ lb->seed;
}

/* A program's own picker may take its time: it runs outside of the section, on a view that is
   pinned. */
static RESIL__NOINLINE int pick_any(struct resil__balancer *lb, struct resil__reader *reader,
                                    struct resil__view *view,
                                    const struct resil_pick_request *request, uint64_t now_ns,
                                    struct resil_pick *pick)
{
    struct way way = {.view = view, .request = request, .candidate = RESIL_PICK_NONE};
    int rc;

    if (view == NULL) {
        resil__epoch_leave(reader);
        return RESIL_EUNAVAILABLE;
    }
    begin(&way.context, lb, reader, request, now_ns);
    if (!view->pinned) {
        rc = pick_slowly(&way, lb, pick);
        resil__epoch_leave(reader);
        return rc;
    }
    (void)resil__add(&view->pins, 1);
    resil__epoch_leave(reader);
    rc = pick_slowly(&way, lb, pick);
    (void)resil__sub(&view->pins, 1);
    return rc;
}

int resil__lb_pick(struct resil__balancer *lb, const struct resil_pick_request *request,
                   uint64_t now_ns, struct resil_pick *pick)
{
    struct resil_pick_context context RESIL__UNINITIALISED;
    struct resil__reader *reader = resil__epoch_enter();
    struct resil__view *view = resil__load_ptr_acquire(&lb->view);
    const struct resil_pool *pool;
    uint32_t number;

    /* One pool, nobody excluded, nothing to decide: what most picks are. */
    if (RESIL__UNLIKELY(view == NULL || !view->single || request->excluded_count != 0 ||
                        (request->sticky | request->subset) != 0))
        return pick_any(lb, reader, view, request, now_ns, pick);
    begin(&context, lb, reader, request, now_ns);
    pool = view->pools;
    number = view->pick(pool, &context);
    if (RESIL__UNLIKELY(number >= pool->count)) { /* unreachable: ours find somebody */
        resil__epoch_leave(reader);
        return RESIL_EUNAVAILABLE;
    }
    take(view, pool, number, context.stripe_, pick);
    resil__epoch_leave(reader);
    return RESIL_OK;
}

int resil_balancer_pick(struct resil_balancer *lb, const struct resil_pick_request *request,
                        uint64_t now_ns, struct resil_pick *pick)
{
    static const struct resil_pick_request nothing;
    int rc;

    if (lb == NULL || pick == NULL)
        return RESIL_EINVAL;
    rc = resil__lb_pick(resil__balancer(lb), request != NULL ? request : &nothing, now_ns, pick);
    if (RESIL__UNLIKELY(rc != RESIL_OK))
        *pick = (struct resil_pick){.host_ = NULL};
    return rc;
}
