/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_BREAKER_SOURCE_H
#define RESIL_TEST_BREAKER_SOURCE_H

/* The shipped source of the breaker, compiled into the test: on the atomic operations of
   interleave.h, which comes first. */

#include "../../src/breaker/breaker_acquire.c"
#include "../../src/breaker/breaker_control.c"
#include "../../src/breaker/breaker_look.c"
#include "../../src/breaker/breaker_open.c"
#include "../../src/breaker/breaker_probe.c"
#include "../../src/breaker/breaker_record.c"
#undef BAD
#include "../../src/breaker/breaker_config.c"
#include "../../src/window/ring.c"
#undef CALLS_MASK
#define prepare slices_prepare
#include "../../src/window/slices.c"
#undef prepare

#endif
