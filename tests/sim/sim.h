/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_SIM_H
#define RESIL_SIM_H

/*
 * A fleet in virtual time: open-loop clients, each with a chain of the real library that is stepped
 * through resil/call.h, call servers with k workers and bounded FIFO queues that don't learn that a
 * client gave up. One thread, one heap of events, one seed. README.md has the model.
 */

#include <resil/resil.h>

#include "events.h"
#include "result.h"

/* The timeline, in seconds: what comes before WARM is dropped; the trigger lasts from BEGIN to
   END. */
#define SIM_WARM_S      10
#define SIM_BEGIN_S     30
#define SIM_JUMP_S      45
#define SIM_EACH_S      32
#define SIM_END_S       60
#define SIM_WORKERS     4 /* of a server, if not told otherwise; policy->queue goes with these */
#define SIM_WORKERS_MAX 32
#define SIM_BURST_S     1 /* after a reconnect: left out of goodput */
#define SIM_DEADLINE    RESIL_SEC(3)
#define SIM_TIMEOUT     RESIL_SEC(1)
#define SIM_SERVICE     RESIL_MS(10)
#define SIM_RTT         RESIL_MS(1)
#define SIM_CLOCK       RESIL_SEC(7200) /* what the clients' clocks show at first */
#define SIM_MARGIN_S    4 /* requests go on after what is measured: the deadline and a timeout */

struct sim;

/** What the clients do. */
struct sim_policy {
    const char *name;
    const char *what;
    uint64_t attempts;  /* 0 = the library's default, with its backoff; else so many, at once */
    bool bounded;       /* the whole call has a deadline */
    bool balanced;      /* the library's balancer chooses; else a random server */
    bool breaker;       /* one for the service */
    bool guarded;       /* one for each endpoint */
    uint64_t in_flight; /* at each endpoint so many calls; 0 = any number */
    bool limited;       /* a limiter of twice the client's rate */
    bool loose;         /* limiter and budget are twice what they are held to */
    bool subset;        /* each client keeps to as many servers as it can judge: sim_subset() */
    const struct resil_picker *(*picker)(void); /* NULL = the balancer's default */
    struct resil_outlier_config outlier;
    uint64_t panic_pct;                /* of the balancer; 0 = default */
    uint64_t budget_cap;               /* 0 = no budget; SIM_CAP_DEFAULT = the library's default */
    uint64_t budget_min;               /* tokens that a second earns; 0 = default */
    uint32_t queue;                    /* of each server */
    enum resil_outcome rejected;       /* what a full queue's answer is to the client */
    struct resil_breaker_config rules; /* of either breaker */
};

#define SIM_CAP_DEFAULT 3  /* as resil/budget.h documents it */
#define SIM_INTERVAL_S  10 /* these two as resil/outlier.h does */
#define SIM_IN_A_ROW    5

/** What happens to them. The functions are called at BEGIN, JUMP and END, and from BEGIN on at each
    of the first EACH seconds; each may be NULL. */
struct sim_scenario {
    const char *name;
    const char *what;
    void (*begin)(struct sim *sim);
    void (*jump)(struct sim *sim);
    void (*end)(struct sim *sim);
    void (*each)(struct sim *sim, uint32_t second);
    uint32_t burst_s; /* seconds after END that count for nothing */
};

struct sim_config {
    const struct sim_scenario *scenario;
    const struct sim_policy *policy;
    uint32_t clients;
    uint32_t servers;
    uint64_t seed;
    uint32_t after_s;          /* how long to look on after END */
    uint32_t workers;          /* of a server */
    uint32_t subset;           /* a client keeps to so many servers; 0 = as the policy says */
    double load;               /* offered load as a share of capacity */
    struct sim_second *series; /* receives sim_seconds() of them; may be NULL */
};

/** An attempt, as the server sees it. */
struct sim_job {
    uint64_t attempt_id;
    uint32_t request;
};

struct sim_server {
    struct sim_job *queue; /* a ring of sim_queue() */
    uint32_t head;
    uint32_t waiting;
    struct sim_job running[SIM_WORKERS_MAX];
    uint32_t busy;  /* a bit for each worker */
    uint64_t epoch; /* one more with each crash: services of the former life are void */
    bool down;
    bool hangs;      /* takes requests and does nothing */
    double slowness; /* as those of all, below: the product counts */
    double errors;   /* the greater one counts */
};

struct sim_client {
    struct resil_timeout whole;
    struct resil_timeout each;
    struct resil_budget budget;
    struct resil_retry retry;
    struct resil_breaker breaker;
    struct resil_limiter limiter;
    struct resil_balancer balancer;
    struct resil_guard guard;
    struct resil_guard_state **states; /* of the servers it has called */
    struct resil_policy policies[6];
    struct resil_chain chain;
    double level;      /* limited: what a leaky bucket of the limiter's rate would hold */
    uint64_t at_ns;    /* ... by the client's clock */
    double gap_ns;     /* mean time between two requests */
    uint64_t clock_ns; /* its clock is so much ahead of the simulation's */
    double spent;      /* what a leaky bucket of the budget's bound would hold */
    uint64_t spent_ns; /* ... by the client's clock */
    uint64_t offered;  /* these two: from BEGIN until a minute after END */
    uint64_t good;
};

/** A request on its way. The slot is reused; the ids of its attempts never are. */
struct sim_request {
    struct resil_call call;
    struct resil_request request;
    uint64_t begin_ns;
    uint64_t attempt_id; /* the one that is waited for; 0 = none */
    uint64_t armed_ns;   /* the nearest timer in the heap */
    uint64_t serial;     /* of the slot's user: timers of a former one are void */
    uint32_t client;
    bool admitted;      /* an attempt was made */
    bool failed;        /* the last one has, and nothing came of it yet */
    uint32_t next_free; /* index + 1 */
};

#define SIM_LATENCIES 50001 /* steps of 0.1 ms; the last one holds the rest */

struct sim {
    struct sim_config config;
    struct sim_events events;
    uint64_t now_ns;
    uint64_t random_arrival; /* a stream each, so that all policies see the same load */
    uint64_t random_service;
    uint64_t random_choice;
    uint64_t random_fault;

    /* what a scenario turns */
    double slowness; /* of what is started now */
    double load;     /* times the base load */
    double errors;   /* share of the answers that are failures */
    bool holding;    /* requests are held back until END */

    struct sim_client *clients;
    struct sim_server *servers;
    struct resil_endpoint *endpoints;
    char (*addresses)[24];
    struct resil_guard_state **states;
    struct sim_request **blocks; /* slots: they must not move */
    uint32_t block_count;
    uint32_t free_slot; /* index + 1 */

    struct sim_second *seconds;
    uint32_t second_count;
    uint64_t probes_seen;
    uint64_t live;          /* requests without an end */
    uint64_t late;          /* answers that nobody waited for */
    uint64_t faults;        /* the library contradicted the simulator: see client.c */
    uint64_t overdue;       /* calls that outlived their deadline */
    uint64_t longest_ns;    /* from the begin of a request to its end */
    uint64_t budget_broken; /* times that a retry exceeded the budget's documented bound */
    uint64_t limit_broken;  /* times that a request exceeded burst + rate * t */
    uint64_t opened;        /* as of the last second */
    uint64_t ejected;
    uint64_t trace; /* a hash of all events */
    uint64_t latencies[SIM_LATENCIES];
};

/* Tables by name: NULL when there is none, or, by index, when they end. */
const struct sim_policy *sim_policy_find(const char *name);
const struct sim_policy *sim_policy_at(unsigned index);
const struct sim_scenario *sim_scenario_find(const char *name);
const struct sim_scenario *sim_scenario_at(unsigned index);

/** Runs one fleet to its end. False when the memory or the library didn't oblige. */
bool sim_run(const struct sim_config *config, struct sim_result *result);

/* What the files share. */

/** Builds a client's chain. */
bool sim_client_init(struct sim *sim, struct sim_client *client);
void sim_client_arrival(struct sim *sim, uint32_t client);
void sim_client_request(struct sim *sim, uint32_t client);
void sim_client_answer(struct sim *sim, const struct sim_event *event);
void sim_client_timer(struct sim *sim, const struct sim_event *event);
/** Takes its balancer down: false while the balancer thinks that calls are in flight. */
bool sim_client_fini(struct sim *sim, struct sim_client *client);

/* What its limiter grants, and is held to: twice what it offers. */
static inline double sim_rate(const struct sim_client *client)
{
    return 2e9 / client->gap_ns;
}

static inline uint64_t sim_burst(const struct sim_client *client)
{
    return (uint64_t)sim_rate(client) + 1;
}

/** Counts a retry: true when there are more than the client's budget may ever have granted. */
bool sim_budget_broken(const struct sim *sim, struct sim_client *client);
/** Counts a success. */
void sim_budget_earn(struct sim_client *client);
/** True when a request more than its limiter may ever have granted was let through. */
bool sim_limit_broken(const struct sim *sim, struct sim_client *client);

void sim_server_submit(struct sim *sim, uint32_t server, const struct sim_job *job);
void sim_server_served(struct sim *sim, const struct sim_event *event);
void sim_server_crash(struct sim *sim, uint32_t server);

void sim_measure_end(struct sim *sim, const struct sim_request *request, bool success);
void sim_measure_second(struct sim *sim);
void sim_measure(const struct sim *sim, struct sim_result *result);

void sim_print_text(const struct sim_config *config, const struct sim_result *result);
void sim_print_json(const struct sim_config *config, const struct sim_result *result);
/** A row of a table over seeds: least, median and most. */
void sim_print_row(const struct sim_config *config, const struct sim_result *results,
                   uint32_t count);

/** How many lines a picture has at most. */
#define SIM_LINES 4

/** Draws goodput and amplification over time: a line for each of count configs, at most SIM_LINES,
    which differ in their policies and whose series are filled. False when the file couldn't be written. */
bool sim_draw(const char *path, const struct sim_config *configs, uint32_t count);

/** Above 0, at most 1. */
double sim_uniform(uint64_t *stream);
uint64_t sim_exponential(uint64_t *stream, double mean_ns);

/** A server's requests per second. */
static inline double sim_capacity(const struct sim_config *config)
{
    return (double)config->workers * 1e9 / (double)SIM_SERVICE;
}

/** A server's room for requests that wait: as long, in time, whatever the number of workers. */
static inline uint32_t sim_queue(const struct sim_config *config)
{
    return config->policy->queue * config->workers / SIM_WORKERS;
}

/**
 * How many servers a client keeps to. It can judge those that it meets so often that the failures
 * in a row of the balancer's outlier detection (5) fit into its interval (10 s).
 */
static inline uint32_t sim_subset(const struct sim_config *config)
{
    const double rate =
        config->load * sim_capacity(config) * (double)config->servers / (double)config->clients;
    const double most = rate * SIM_INTERVAL_S / SIM_IN_A_ROW;

    if (config->subset != 0 || !config->policy->subset || most >= (double)config->servers)
        return config->subset != 0 && config->subset < config->servers ? config->subset
                                                                       : config->servers;
    return most > 1 ? (uint32_t)most : 1;
}

/** How many seconds are measured. */
static inline uint32_t sim_seconds(const struct sim_config *config)
{
    return SIM_END_S + config->after_s;
}

static inline struct sim_request *sim_slot(const struct sim *sim, uint32_t index)
{
    return &sim->blocks[index / 1024][index % 1024];
}

static inline struct sim_second *sim_second_of(const struct sim *sim, uint64_t at_ns)
{
    uint64_t second = at_ns / RESIL_SEC(1);

    return &sim->seconds[second < sim->second_count ? second : sim->second_count - 1];
}

#endif
