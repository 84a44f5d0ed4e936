/* SPDX-License-Identifier: BSD-2-Clause */
#include <resil/outcome.h>

#include <errno.h>

const char *resil_outcome_str(enum resil_outcome outcome)
{
    switch ((int)outcome) {
#define RESIL_OUTCOME_CASE(name, value, text)                                                      \
    case value:                                                                                    \
        return text;
        RESIL_OUTCOME_LIST(RESIL_OUTCOME_CASE)
#undef RESIL_OUTCOME_CASE
    default:
        return "unknown outcome";
    }
}

/* POSIX lets EAGAIN and EWOULDBLOCK be one value, which would be a duplicate case. */
static bool is_no_ending(int err)
{
    return err == EINTR || err == EAGAIN || err == EWOULDBLOCK || err == EINPROGRESS ||
           err == EALREADY;
}

enum resil_outcome resil_outcome_from_errno(int err, bool sent)
{
    if (is_no_ending(err))
        return RESIL_NONE;
    switch (err) {
    case 0:
        return RESIL_SUCCESS;
    case ETIMEDOUT:
        return sent ? RESIL_TIMEOUT : RESIL_NOT_SENT;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
        return RESIL_LOCAL;
    case EACCES:
    case EPERM:
    case EINVAL:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case EPROTO:
        return RESIL_PERMANENT;
    case ECANCELED:
        return RESIL_CANCELLED;
    default:
        return sent ? RESIL_FAILURE : RESIL_NOT_SENT;
    }
}
