/* SPDX-License-Identifier: BSD-2-Clause */

/* resil-sim: see usage. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

struct options {
    struct sim_config config;
    const struct sim_policy *policies[SIM_LINES];
    uint32_t policy_count;
    const char *picture;
    uint32_t seeds;
    bool json;
};

static void usage(FILE *out)
{
    (void)fprintf(
        out,
        "resil-sim --scenario S --policy P... [--clients 200] [--servers 10] [--seed 1]\n"
        "          [--after SECONDS=300] [--load PERCENT=70] [--workers 4] [--subset SERVERS]\n"
        "          [--svg FILE] [--json | --seeds COUNT]\n\n"
        "  --policy  up to 4 times\n"
        "  --svg     draws goodput and amplification, a line for each policy\n"
        "  --subset  each client's balancer keeps to so many servers\n"
        "  --seeds   runs seeds from --seed on and prints one row of a table\n"
        "\nscenarios:\n");
    for (unsigned i = 0; sim_scenario_at(i) != NULL; i++)
        (void)fprintf(out, "  %-16s %s\n", sim_scenario_at(i)->name, sim_scenario_at(i)->what);
    (void)fprintf(out, "policies:\n");
    for (unsigned i = 0; sim_policy_at(i) != NULL; i++)
        (void)fprintf(out, "  %-16s %s\n", sim_policy_at(i)->name, sim_policy_at(i)->what);
}

static bool number(const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-' && *value >= least &&
           *value <= most;
}

static bool take(struct options *options, int letter, const char *text)
{
    struct sim_config *config = &options->config;
    uint64_t value = 0;
    bool good = true;

    switch (letter) {
    case 's':
        config->scenario = sim_scenario_find(text);
        return config->scenario != NULL;
    case 'p':
        if (options->policy_count == SIM_LINES)
            return false;
        config->policy = sim_policy_find(text);
        options->policies[options->policy_count++] = config->policy;
        return config->policy != NULL;
    case 'g':
        options->picture = text;
        return true;
    case 'j':
        options->json = true;
        return true;
    case 'c':
        good = number(text, 2, 100000, &value);
        config->clients = (uint32_t)value;
        return good;
    case 'm':
        good = number(text, 3, 1000, &value);
        config->servers = (uint32_t)value;
        return good;
    case 'k':
        return number(text, 0, UINT64_MAX, &config->seed);
    case 'a':
        good = number(text, 60, 3600, &value);
        config->after_s = (uint32_t)value;
        return good;
    case 'l':
        good = number(text, 1, 200, &value);
        config->load = (double)value / 100;
        return good;
    case 'n':
        good = number(text, 1, 10000, &value);
        options->seeds = (uint32_t)value;
        return good;
    case 'w':
        good = number(text, 4, SIM_WORKERS_MAX, &value);
        config->workers = (uint32_t)value;
        return good;
    case 'b':
        good = number(text, 1, 1000, &value);
        config->subset = (uint32_t)value;
        return good;
    default:
        return false;
    }
}

static bool parse(struct options *options, int argc, char **argv)
{
    static const struct option names[] = {
        {"scenario", required_argument, NULL, 's'},
        {"policy", required_argument, NULL, 'p'},
        {"clients", required_argument, NULL, 'c'},
        {"servers", required_argument, NULL, 'm'},
        {"seed", required_argument, NULL, 'k'},
        {"after", required_argument, NULL, 'a'},
        {"load", required_argument, NULL, 'l'},
        {"workers", required_argument, NULL, 'w'},
        {"seeds", required_argument, NULL, 'n'},
        {"svg", required_argument, NULL, 'g'},
        {"json", no_argument, NULL, 'j'},
        {"subset", required_argument, NULL, 'b'},
        {NULL, 0, NULL, 0},
    };
    int letter;

    while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (!take(options, letter, optarg))
            return false;
    }
    return optind == argc && options->config.scenario != NULL && options->config.policy != NULL &&
           !(options->seeds != 0 && (options->json || options->picture != NULL));
}

/* What must hold whatever the policy: the exit status. */
static bool kept(const struct sim_result *result)
{
    return result->faults == 0 && result->unfinished == 0 && result->budget_broken == 0 &&
           result->limit_broken == 0;
}

static int run_many(const struct options *options)
{
    struct sim_result *results = calloc(options->seeds, sizeof *results);
    struct sim_config config = options->config;
    bool good = results != NULL;

    for (uint32_t i = 0; good && i < options->seeds; i++) {
        config.seed = options->config.seed + i;
        good = sim_run(&config, &results[i]) && kept(&results[i]);
    }
    if (good)
        sim_print_row(&options->config, results, options->seeds);
    else
        (void)fprintf(stderr, "seed %" PRIu64 ": a promise was broken\n", config.seed);
    free(results);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool run_one(const struct options *options, const struct sim_config *config)
{
    struct sim_result result;

    if (!sim_run(config, &result)) {
        (void)fprintf(stderr, "out of memory\n");
        return false;
    }
    if (options->json)
        sim_print_json(config, &result);
    else
        sim_print_text(config, &result);
    return kept(&result);
}

static int run_and_draw(const struct options *options)
{
    struct sim_config configs[SIM_LINES];
    bool good = true;

    for (uint32_t i = 0; i < options->policy_count; i++) {
        configs[i] = options->config;
        configs[i].policy = options->policies[i];
        configs[i].series = calloc(sim_seconds(&configs[i]), sizeof *configs[i].series);
        good = configs[i].series != NULL && run_one(options, &configs[i]) && good;
    }
    if (good && options->picture != NULL &&
        !sim_draw(options->picture, configs, options->policy_count)) {
        (void)fprintf(stderr, "can't write %s\n", options->picture);
        good = false;
    }
    for (uint32_t i = 0; i < options->policy_count; i++)
        free(configs[i].series);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct options options = {.config = {.clients = 200,
                                         .servers = 10,
                                         .seed = 1,
                                         .after_s = 300,
                                         .workers = SIM_WORKERS,
                                         .load = 0.7}};
    int status = EXIT_SUCCESS;

    if (!parse(&options, argc, argv)) {
        usage(stderr);
        return 2;
    }
    if (options.seeds == 0)
        return run_and_draw(&options);
    for (uint32_t i = 0; i < options.policy_count && status == EXIT_SUCCESS; i++) {
        options.config.policy = options.policies[i];
        status = run_many(&options);
    }
    return status;
}
