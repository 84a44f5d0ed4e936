/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_RESIL_H
#define RESIL_RESIL_H

/* Everything. Each header can also be included alone. */

#include <resil/attempt.h>
#include <resil/breaker.h>
#include <resil/call.h>
#include <resil/chain.h>
#include <resil/common.h>
#include <resil/env.h>
#include <resil/outcome.h>
#include <resil/permit.h>
#include <resil/policy.h>
#include <resil/status.h>
#include <resil/version.h>

#endif
