/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "curl_loop.h"

#include <errno.h>
#include <resil/env.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 64

static int on_socket(CURL *curl, curl_socket_t fd, int what, void *arg, void *known)
{
    struct curl_loop *loop = arg;
    struct epoll_event event = {.data.fd = fd};

    (void)curl;
    if (what == CURL_POLL_REMOVE)
        return epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    event.events = ((what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0) |
                   ((what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0);
    (void)curl_multi_assign(loop->multi, fd, loop); /* next time it is known */
    return epoll_ctl(loop->epoll_fd, known == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct curl_loop *loop = arg;

    (void)multi;
    loop->curl_at_ns = timeout_ms < 0 ? RESIL_NEVER : resil_now_ns() + RESIL_MS(timeout_ms);
    return 0;
}

bool curl_loop_init(struct curl_loop *loop)
{
    loop->curl_at_ns = RESIL_NEVER;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return false;
    loop->multi = curl_multi_init();
    if (loop->multi != NULL &&
        curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
        curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop) == CURLM_OK &&
        curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
        curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop) == CURLM_OK)
        return true;
    curl_loop_fini(loop);
    return false;
}

void curl_loop_fini(struct curl_loop *loop)
{
    (void)curl_multi_cleanup(loop->multi); /* closes kept connections: on_socket is called */
    (void)close(loop->epoll_fd);
}

/* epoll counts in ms: rounded up, or the last one would be spun away. */
static int wait_ms(uint64_t until_ns)
{
    uint64_t now_ns = resil_now_ns();

    if (until_ns <= now_ns)
        return 0;
    if (until_ns - now_ns > RESIL_SEC(60))
        return 60 * 1000;
    return (int)((until_ns - now_ns + RESIL_MS(1) - 1) / RESIL_MS(1));
}

bool curl_loop_turn(struct curl_loop *loop, uint64_t until_ns)
{
    struct epoll_event events[EVENTS_MAX];
    int running;
    int count;

    count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX,
                       wait_ms(until_ns < loop->curl_at_ns ? until_ns : loop->curl_at_ns));
    if (count < 0 && errno != EINTR)
        return false;
    for (int i = 0; i < count; i++) {
        int what = ((events[i].events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                   ((events[i].events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                   ((events[i].events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);

        if (curl_multi_socket_action(loop->multi, events[i].data.fd, what, &running) != CURLM_OK)
            return false;
    }
    if (loop->curl_at_ns <= resil_now_ns()) {
        loop->curl_at_ns = RESIL_NEVER; /* libcurl sets it again */
        if (curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running) != CURLM_OK)
            return false;
    }
    return true;
}
