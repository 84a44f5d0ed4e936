/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Every call of the library that the system can refuse is refused once, each time it is made, and
 * from then on. Whatever fails, nothing hangs, crashes, or keeps memory or a descriptor; and once
 * the faults end, everything works. No descriptor outlives an exec, nothing raises SIGPIPE.
 *
 * Linked with --wrap for each call of the list. A run is a process of its own, with an alarm:
 * some calls are made once in a process. `names` prints the list, for nm.py; `control` runs what
 * leaks, and has to fail.
 */
#define _GNU_SOURCE
#include "refuse.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int next_descriptor(void)
{
    int fd = dup(0);

    CHECK(fd >= 0 && __real_close(fd) == 0);
    return fd;
}

/* Runs in a child; what hangs is killed by its alarm. Returns false when a promise was broken. */
static bool run(const struct scenario *scenario, enum call call, unsigned at, bool on)
{
    pid_t child;
    int status = 0;

    memset(refuse_counts, 0, sizeof *refuse_counts);
    child = fork();
    if (child == 0) {
        int fd = next_descriptor();

        (void)alarm(60);
        refuse(call, at, on);
        refuse_arm(true);
        scenario->run();
        CHECK(next_descriptor() == fd);
        CHECK(refuse_pieces() == 0);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        (void)fprintf(stderr, "%s: %s refused, number %u%s: status 0x%x\n", scenario->name,
                      call == CALL_COUNT ? "nothing" : refuse_names[call], at,
                      on ? " and all later ones" : "", (unsigned)status);
        return false;
    }
    return true;
}

static pid_t serve(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    static const char answer[] = "HTTP/1.1 200 OK\r\n\r\n";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t child;

    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, bytes) == 0 && listen(fd, 100) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &bytes) == 0);
    scenario_port = ntohs(address.sin_port);
    child = fork();
    CHECK(child >= 0);
    if (child != 0) {
        (void)close(fd);
        return child;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)alarm(900);
    for (;;) {
        char request[512];
        int peer = accept(fd, NULL, NULL);

        if (peer < 0)
            continue;
        if (read(peer, request, sizeof request) > 0)
            (void)!write(peer, answer, sizeof answer - 1);
        (void)close(peer);
    }
}

/* Returns false when a promise was broken; faults: how often each call was refused. */
static bool refuse_each(const struct scenario *scenario, unsigned faults[CALL_COUNT])
{
    unsigned made[CALL_COUNT];
    bool ok = run(scenario, CALL_COUNT, 0, false);

    memcpy(made, refuse_counts->made, sizeof made);
    for (unsigned call = 0; call < CALL_COUNT; call++) {
        for (unsigned at = 1; at <= made[call] && at <= scenario->most; at++) {
            for (unsigned on = 0; on < 2; on++) {
                ok &= run(scenario, (enum call)call, at, on != 0);
                faults[call] += refuse_counts->refused;
            }
        }
    }
    return ok;
}

static bool refuse_everything(void)
{
    unsigned faults[CALL_COUNT] = {0}, total = 0;
    bool ok = true;

    for (unsigned i = 0; i < SCENARIOS; i++)
        ok &= refuse_each(&scenarios[i], faults);
    for (unsigned call = 0; call < CALL_COUNT; call++) {
        (void)printf("%-20s %u\n", refuse_names[call], faults[call]);
        total += faults[call];
        if (faults[call] == 0) {
            (void)fprintf(stderr, "%s was never refused\n", refuse_names[call]);
            ok = false;
        }
    }
    (void)printf("%d calls, refused %u times\n", CALL_COUNT, total);
    return ok;
}

int main(int argc, char **argv)
{
    static const char text[] = "192.0.2.1:80\n192.0.2.2:80\n";
    pid_t server;
    int fd;
    bool ok;

    if (argc > 1 && strcmp(argv[1], "names") == 0) {
        for (unsigned call = 0; call < CALL_COUNT; call++)
            (void)printf("%s\n", refuse_names[call]);
        return 0;
    }
    refuse_counts = mmap(NULL, sizeof *refuse_counts, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(refuse_counts != MAP_FAILED);
    if (argc > 1) {
        unsigned faults[CALL_COUNT] = {0};

        return refuse_each(&scenario_control, faults) ? 0 : 1;
    }
    (void)strcpy(scenario_path, "/tmp/resil-faults-XXXXXX");
    fd = mkstemp(scenario_path);
    CHECK(fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1);
    (void)close(fd);
    server = serve();
    ok = refuse_everything();
    (void)kill(server, SIGKILL);
    (void)waitpid(server, NULL, 0);
    (void)unlink(scenario_path);
    return ok ? 0 : 1;
}
