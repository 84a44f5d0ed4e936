/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A circuit breaker by hand around one call, without a chain: ask, call, report.
 *
 * The peer is a TCP port on loopback. At first nobody listens there; the breaker sees three refused
 * connects and stops asking. Then the peer comes up, and a probe finds it.
 */
#define _POSIX_C_SOURCE 200809L
#include <resil/breaker.h>
#include <resil/env.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The call to guard. It knows nothing of breakers; it only says how it ended, in the library's
   words. */
static enum resil_outcome dial(const struct sockaddr_in *peer)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int error = 0;

    if (fd < 0)
        return resil_outcome_from_errno(errno, false); /* LOCAL: no fault of the peer */
    if (connect(fd, (const struct sockaddr *)peer, sizeof *peer) != 0)
        error = errno;
    (void)close(fd);
    return resil_outcome_from_errno(error, false);
}

/* Returns RESIL_OK, RESIL_EFAILED, or RESIL_EOPEN without having called. */
static int guarded_dial(struct resil_breaker *breaker, const struct sockaddr_in *peer)
{
    struct resil_permit permit;
    struct resil_result result = {RESIL_NONE, 0, 0};
    int rc = resil_breaker_acquire(breaker, resil_now_ns(), &permit);

    if (rc != RESIL_OK)
        return rc; /* nothing was called, so there is nothing to report */
    result.outcome = dial(peer);
    /* The time is read again: a call that hung for a minute has to be counted when it ended. An
     * answer of RESIL_ELATE only says that the breaker has moved on in the meantime. */
    (void)resil_breaker_record(breaker, &permit, resil_now_ns(), &result);
    return result.outcome == RESIL_SUCCESS ? RESIL_OK : RESIL_EFAILED;
}

/* A port that is bound but doesn't listen refuses connects, and nobody else can take it. */
static int reserve_port(struct sockaddr_in *peer)
{
    socklen_t size = sizeof *peer;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    *peer = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    if (fd < 0 || bind(fd, (const struct sockaddr *)peer, sizeof *peer) != 0 ||
        getsockname(fd, (struct sockaddr *)peer, &size) != 0) {
        perror("no port");
        exit(EXIT_FAILURE);
    }
    return fd;
}

int main(void)
{
    static struct resil_breaker
        breaker; /* no pointers in it: static, heap or shared memory will do */
    const struct resil_breaker_config config = {
        .consecutive = 3,         /* three failures in a row open it */
        .open_ns = RESIL_MS(200), /* fields that aren't named have their documented defaults */
        .jitter_pct = RESIL_OFF,  /* one lonely client: nobody to be in step with */
        .probes = 1,
    };
    struct sockaddr_in peer;
    int listener = reserve_port(&peer);
    char why[120];
    int refused = 0;
    int answered = 0;

    if (resil_breaker_config_check(&config, why, sizeof why) != RESIL_OK) {
        (void)fprintf(stderr, "bad config: %s\n", why);
        return EXIT_FAILURE;
    }
    if (resil_breaker_init(&breaker, &config) != RESIL_OK)
        return EXIT_FAILURE; /* RESIL_EABI: header and library don't fit */

    for (int i = 0; i < 12; i++) {
        const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
        struct resil_breaker_snapshot snapshot;
        int rc;

        if (i == 6) {
            (void)puts("            -- the peer comes up --");
            if (listen(listener, 16) != 0) {
                perror("listen");
                return EXIT_FAILURE;
            }
        }
        rc = guarded_dial(&breaker, &peer);
        refused += rc == RESIL_EOPEN;
        answered += rc == RESIL_OK;
        (void)resil_breaker_snapshot(&breaker, resil_now_ns(), &snapshot);
        (void)printf("call %2d: %-35s breaker is %s\n", i + 1, resil_status_str(rc),
                     resil_breaker_state_str(snapshot.state));
        (void)nanosleep(&pause, NULL);
    }
    (void)close(listener);
    (void)printf("%d calls answered, %d saved by the breaker\n", answered, refused);
    return answered > 0 && refused > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
