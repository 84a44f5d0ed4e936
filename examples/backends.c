/* SPDX-License-Identifier: BSD-2-Clause */
#include "backends.h"

#include "http_outcome.h"

#include <stdio.h>

bool backends_start(struct backend *backends, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        backends[i].server = fault_server_start();
        if (backends[i].server == NULL)
            return false;
        fault_server_set_weather(backends[i].server, (struct fault_weather){.delay_ms = 4});
        (void)snprintf(backends[i].address, sizeof backends[i].address, "127.0.0.1:%u",
                       fault_server_port(backends[i].server));
    }
    return true;
}

void backends_stop(struct backend *backends, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fault_server_stop(backends[i].server); /* NULL is allowed */
}

CURL *backend_open(void)
{
    return http_open("http://127.0.0.1/", NULL);
}

enum resil_outcome backend_fetch(void *arg, struct resil_attempt *attempt)
{
    const struct resil_pick *pick = attempt->endpoint; /* valid while this attempt runs */
    CURL *curl = arg;
    char url[120];

    (void)snprintf(url, sizeof url, "http://%s/", pick->address);
    if (curl_easy_setopt(curl, CURLOPT_URL, url) != CURLE_OK) /* libcurl keeps a copy */
        return RESIL_LOCAL;
    http_deadline(curl, attempt);
    return http_outcome(curl, curl_easy_perform(curl), attempt);
}
