/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Three memories of the file: seen_, what the last look found, and since when; judged_, what was
 * read; digest_, which text that was. A look that finds seen_ changed starts the time of settling
 * anew. A look that finds it settled, and not yet judged, reads. An error forgets judged_, so that
 * the file is read again when it comes back; the digest then says whether it is news.
 */
#include <resil/file_resolver.h>

#include <string.h>

#include <resil/env.h>

#include "base/math.h"
#include "base/random.h"
#include "driver/file_read.h"
#include "driver/file_told.h"
#include "platform/cancel.h"

#define INTERVAL_NS RESIL_SEC(1)
#define JITTER_PCT  UINT64_C(10)
#define SETTLE_NS   RESIL_MS(100)
#define RETRY_NS    RESIL_MS(100)
#define BUSY_NS     RESIL_MS(10) /* before a file is read again that has changed meanwhile */
#define RACY_NS     RESIL_SEC(2) /* the coarsest clock of a file system */

/* The first member, so the cast is allowed. */
static struct resil_file_resolver *self(struct resil_resolver *resolver)
{
    return (struct resil_file_resolver *)(void *)resolver;
}

static uint64_t jitter_ns(const struct resil_file_resolver *file)
{
    return file->config_.interval_ns / 100 * file->config_.jitter_pct;
}

static void plan_next(struct resil_file_resolver *file, uint64_t now_ns)
{
    uint64_t jitter = jitter_ns(file);
    uint64_t wait = file->config_.interval_ns - jitter +
                    resil__random_below(resil__random_next(&file->random_), jitter * 2 + 1);

    file->next_ns_ = resil__add_sat(now_ns, wait);
}

/* A clock that was set back must not leave the next look out of reach. */
static bool is_due(const struct resil_file_resolver *file, uint64_t now_ns)
{
    return file->next_ns_ <= now_ns ||
           file->next_ns_ - now_ns > file->config_.interval_ns + jitter_ns(file);
}

static uint64_t digest_of(const struct resil__file_text *text)
{
    uint64_t digest = text->size, word;
    size_t i = 0;

    for (; text->size - i >= sizeof word; i += sizeof word) {
        memcpy(&word, text->at + i, sizeof word);
        digest = resil__mix(digest ^ word) + word;
    }
    word = 0;
    memcpy(&word, text->at + i, text->size - i);
    return resil__mix(digest ^ word);
}

/* The text was read whole: a list that waits to be pushed, nothing new, or an error. */
static int judge(struct resil_file_resolver *file, const struct resil__file_text *text,
                 uint64_t digest)
{
    struct resil_endpoint_list list;
    char why[RESIL__FILE_WHY] = "";
    int rc;

    if (file->good_ && digest == file->digest_) {
        if (!file->push_failed_)
            resil__file_tell_good(file);
        return RESIL_OK;
    }
    rc = resil_endpoints_parse(text->at, text->size, file->config_.allocator, &list, why,
                               sizeof why);
    file->digest_ = digest;
    file->good_ = rc == RESIL_OK;
    if (rc != RESIL_OK) {
        resil__file_tell_error(file, why);
        return rc;
    }
    resil_endpoints_fini(&file->pending_);
    file->pending_ = list;
    file->has_pending_ = true;
    resil__file_tell_good(file);
    return RESIL_OK;
}

static int read_and_judge(struct resil_file_resolver *file, uint64_t now_ns)
{
    const struct resil_allocator *allocator = file->config_.allocator;
    bool again = resil__file_same(&file->seen_, &file->judged_);
    struct resil__file_text text;
    char why[RESIL__FILE_WHY] = "";
    uint64_t digest;
    int rc;

    rc = resil__file_read(file->config_.path, &file->seen_, allocator, &text,
                          (struct resil__why){why, sizeof why});
    if (rc == RESIL_EBUSY) {
        file->next_ns_ = resil__min(
            file->next_ns_, resil__add_sat(now_ns, resil__max(file->config_.settle_ns, BUSY_NS)));
        resil__file_tell_settling(file);
        return RESIL_OK;
    }
    file->judged_ = (struct resil__file_stamp){0};
    if (rc != RESIL_OK) {
        resil__file_tell_error(file, why);
        return rc;
    }
    resil__file_tell_read(file);
    digest = digest_of(&text);
    if (!again || digest != file->digest_)
        rc = judge(file, &text, digest);
    resil__file_release(&text, allocator);
    if (rc == RESIL_ENOMEM)
        return rc;
    file->judged_ = file->seen_;
    file->confirmed_ = now_ns - file->seen_ns_ >= RACY_NS;
    return rc;
}

static int look(struct resil_file_resolver *file, uint64_t now_ns)
{
    struct resil__file_stamp stamp;
    char why[RESIL__FILE_WHY] = "";
    uint64_t age_ns, settle_ns = file->config_.settle_ns;
    int rc = resil__file_look(file->config_.path, &stamp, (struct resil__why){why, sizeof why});

    resil__file_tell_look(file);
    if (rc != RESIL_OK) {
        file->seen_ = file->judged_ = (struct resil__file_stamp){0};
        resil__file_tell_error(file, why);
        return rc;
    }
    if (!resil__file_same(&stamp, &file->seen_) || now_ns < file->seen_ns_) {
        file->seen_ = stamp;
        file->seen_ns_ = now_ns;
    }
    age_ns = now_ns - file->seen_ns_;
    if (resil__file_same(&stamp, &file->judged_)) {
        if (file->confirmed_ || age_ns < RACY_NS)
            return RESIL_OK;
    } else if (age_ns < settle_ns && (file->told_.pushes > 0 || stamp.size == 0)) {
        file->next_ns_ = resil__min(file->next_ns_, resil__add_sat(file->seen_ns_, settle_ns));
        resil__file_tell_settling(file);
        return RESIL_OK;
    }
    return read_and_judge(file, now_ns);
}

static int push_pending(struct resil_file_resolver *file, uint64_t now_ns, uint64_t *next_ns)
{
    int rc = resil_resolver_push(&file->resolver, file->pending_.endpoints, file->pending_.count,
                                 now_ns);

    if (rc == RESIL_OK)
        resil__file_tell_taken(file, now_ns);
    else
        resil__file_tell_not_taken(file, rc);
    if (rc != RESIL_OK && rc != RESIL_EINVAL && rc != RESIL_EABI) {
        *next_ns = resil__min(*next_ns, resil__add_sat(now_ns, RETRY_NS));
        return rc;
    }
    if (rc != RESIL_OK)
        file->good_ = false;
    file->has_pending_ = false;
    resil_endpoints_fini(&file->pending_);
    return rc;
}

static int file_tick(struct resil_resolver *resolver, uint64_t now_ns, uint64_t *next_ns)
{
    struct resil_file_resolver *file = self(resolver);
    int before = resil__cancel_off(), rc = RESIL_OK, pushed = RESIL_OK;

    if (is_due(file, now_ns)) {
        plan_next(file, now_ns);
        rc = look(file, now_ns);
    }
    *next_ns = file->next_ns_;
    if (file->has_pending_)
        pushed = push_pending(file, now_ns, next_ns);
    resil__cancel_restore(before);
    return rc != RESIL_OK ? rc : pushed;
}

static void file_stop(struct resil_resolver *resolver)
{
    struct resil_file_resolver *file = self(resolver);

    file->has_pending_ = false;
    resil_endpoints_fini(&file->pending_);
}

static int file_start(struct resil_resolver *resolver, char *why, size_t why_size)
{
    struct resil_file_resolver *file = self(resolver);

    (void)why;
    (void)why_size;
    resil__file_tell_nothing(file);
    file->seen_ = file->judged_ = (struct resil__file_stamp){0};
    file->seen_ns_ = file->next_ns_ = file->digest_ = 0;
    file->good_ = file->confirmed_ = file->push_failed_ = false;
    return RESIL_OK;
}

int resil_file_resolver_config_check(const struct resil_file_resolver_config *config, char *why,
                                     size_t why_size)
{
    struct resil__why where = {why, why_size};

    if (config == NULL)
        return resil__check_fail(where, "config", "must not be NULL");
    if (config->path == NULL || config->path[0] == '\0')
        return resil__check_fail(where, "path", "must not be empty");
    if (resil__check_range(where, "interval_ns", config->interval_ns, RESIL_MS(10),
                           RESIL_SEC(3600)) != RESIL_OK ||
        resil__check_optional(where, "jitter_pct", config->jitter_pct, 1, 50) != RESIL_OK ||
        resil__check_optional(where, "settle_ns", config->settle_ns, RESIL_MS(1), RESIL_SEC(60)) !=
            RESIL_OK)
        return RESIL_EINVAL;
    if (config->allocator != NULL && config->allocator->size != sizeof *config->allocator) {
        (void)resil__check_fail(where, "allocator", "is of another size");
        return RESIL_EABI;
    }
    return RESIL_OK;
}

int resil_file_resolver_init_sized(struct resil_file_resolver *file, size_t file_size,
                                   const struct resil_file_resolver_config *config,
                                   size_t config_size)
{
    static const struct resil_resolver_ops ops = {
        .size = sizeof(struct resil_resolver_ops),
        .name = "file",
        .start = file_start,
        .tick = file_tick,
        .stop = file_stop,
    };
    const struct resil_env *env = resil_env_posix();
    int rc;

    if (file_size != sizeof *file || config_size != sizeof *config)
        return RESIL_EABI;
    rc = file != NULL ? resil_file_resolver_config_check(config, NULL, 0) : RESIL_EINVAL;
    if (rc != RESIL_OK)
        return rc;
    memset(file, 0, sizeof *file);
    file->config_ = (struct resil_file_resolver_config){
        .path = config->path,
        .interval_ns = resil__default(config->interval_ns, INTERVAL_NS),
        .jitter_pct = resil__optional(config->jitter_pct, JITTER_PCT),
        .settle_ns = resil__optional(config->settle_ns, SETTLE_NS),
        .allocator = config->allocator != NULL ? config->allocator : resil_allocator_default(),
    };
    file->random_ = config->seed != 0 ? config->seed : env->random(env->arg);
    return resil_resolver_init(&file->resolver, &ops);
}
