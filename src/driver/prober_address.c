/* SPDX-License-Identifier: BSD-2-Clause */

/* What a probe makes of an address: where to connect to, and what to ask there. */
#define _GNU_SOURCE
#include "driver/prober.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define UNIX "unix:"

/* A decimal number of 1 to max without sign or space, to the end of the text; 0 = it is none. */
static uint32_t number(const char *text, uint32_t max)
{
    uint64_t value = 0;

    if (*text == '\0')
        return 0;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return 0;
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > max)
            return 0;
    }
    return (uint32_t)value;
}

static bool parse_unix(const char *path, struct resil__prober_target *target)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t length = strlen(path);

    if (length == 0 || length >= sizeof to.sun_path)
        return false;
    memcpy(to.sun_path, path, length);
    memcpy(&target->address, &to, sizeof to);
    target->bytes = sizeof to;
    return true;
}

static bool parse_v6(char *host, uint32_t port, struct resil__prober_target *target)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    char *zone = strchr(host, '%');

    if (zone != NULL) {
        *zone++ = '\0';
        to.sin6_scope_id = number(zone, UINT32_MAX);
        if (to.sin6_scope_id == 0)
            to.sin6_scope_id = if_nametoindex(zone);
        if (to.sin6_scope_id == 0)
            return false;
    }
    if (inet_pton(AF_INET6, host, &to.sin6_addr) != 1)
        return false;
    memcpy(&target->address, &to, sizeof to);
    target->bytes = sizeof to;
    return true;
}

static bool parse_v4(const char *host, uint32_t port, struct resil__prober_target *target)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
        return false;
    memcpy(&target->address, &to, sizeof to);
    target->bytes = sizeof to;
    return true;
}

bool resil__prober_parse(const char *address, struct resil__prober_target *target)
{
    const char *colon = strrchr(address, ':');
    char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 2];
    size_t length;
    uint32_t port;

    memset(target, 0, sizeof *target);
    if (strncmp(address, UNIX, strlen(UNIX)) == 0)
        return parse_unix(address + strlen(UNIX), target);
    if (colon == NULL)
        return false;
    port = number(colon + 1, UINT16_MAX);
    length = (size_t)(colon - address);
    if (port == 0 || length == 0 || length >= sizeof host)
        return false;
    memcpy(host, address, length);
    host[length] = '\0';
    if (host[0] != '[')
        return parse_v4(host, port, target);
    if (host[length - 1] != ']')
        return false;
    host[length - 1] = '\0';
    return parse_v6(host + 1, port, target);
}

/* The Host field of an address: without the zone, which means nothing elsewhere. */
static void host_of(const char *address, char host[RESIL__PROBER_HOST + 1])
{
    const char *zone = strchr(address, '%');
    const char *rest = zone != NULL ? strchr(zone, ']') : NULL;

    if (strncmp(address, UNIX, strlen(UNIX)) == 0)
        (void)snprintf(host, RESIL__PROBER_HOST + 1, "localhost");
    else if (rest != NULL)
        (void)snprintf(host, RESIL__PROBER_HOST + 1, "%.*s%s", (int)(zone - address), address,
                       rest);
    else
        (void)snprintf(host, RESIL__PROBER_HOST + 1, "%s", address);
}

size_t resil__prober_request(const struct resil_prober_config *config, const char *address,
                             char text[RESIL__PROBER_REQUEST])
{
    char own[RESIL__PROBER_HOST + 1];
    const char *host = config->http_host;

    if (host == NULL) {
        host_of(address, own);
        host = own;
    }
    return (size_t)snprintf(text, RESIL__PROBER_REQUEST,
                            "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: resil\r\n"
                            "Accept: */*\r\nConnection: close\r\n\r\n",
                            config->http_path, host);
}
