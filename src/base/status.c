/* SPDX-License-Identifier: BSD-2-Clause */
#include <resil/status.h>
#include <resil/version.h>

const char *resil_status_str(int status)
{
    switch (status) {
#define RESIL_STATUS_CASE(name, value, text)                                                       \
    case value:                                                                                    \
        return text;
        RESIL_STATUS_LIST(RESIL_STATUS_CASE)
#undef RESIL_STATUS_CASE
    default:
        return "unknown status";
    }
}

const char *resil_version(void)
{
    return RESIL_VERSION;
}
