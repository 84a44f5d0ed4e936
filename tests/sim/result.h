/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_SIM_RESULT_H
#define RESIL_SIM_RESULT_H

/* What became of a fleet. The definitions are in README.md. */

#include <stdbool.h>
#include <stdint.h>

/** One second of the fleet. */
struct sim_second {
    uint64_t offered;
    uint64_t good; /* of the requests that arrived in it, within the deadline */
    uint64_t attempts;
    uint64_t lost; /* of the attempts: at a server that hangs */
    uint64_t probes;
};

struct sim_result {
    uint64_t offered; /* from WARM to the end, as the next two */
    uint64_t good;
    uint64_t attempts;
    double before_pct; /* goodput: share of the requests that arrived then */
    double during_pct;
    double after_pct;
    double last_pct;         /* the last 30 s */
    double worst_second_pct; /* from BEGIN on */
    double worst_5s_pct;     /* from BEGIN on */
    double best_window_pct;  /* the best 10 s of the time after END */
    bool collapsed;          /* these were all below 50 % */
    int recovery_s;          /* from then on every 5 s reach 95 %; -1 = never */
    double amplification;    /* attempts over offered requests: total, worst 10 s, worst second */
    double amplification_10s;
    double amplification_1s;
    double probe_pct; /* the worst second's probes, of the capacity in requests */
    double lost_pct;  /* attempts at a server that hangs, from 10 s after BEGIN until END */
    double jain;      /* of the clients' goodput, from BEGIN until a minute after END */
    double p50_ms;
    double p99_ms;
    double queue_over_timeout; /* time that a full queue takes, over the attempt timeout */
    double load_times_attempts;
    double calls_per_pair; /* of client and server, in a breaker's window of 10 s */
    uint64_t opened;       /* how often breakers opened */
    uint64_t ejected;      /* how often balancers ejected an endpoint */
    uint64_t late;
    uint64_t overdue; /* calls with a deadline that outlived it */
    uint64_t longest_ns;
    uint64_t unfinished;
    uint64_t faults;
    uint64_t budget_broken;
    uint64_t limit_broken;
    uint64_t trace;
};

#endif
