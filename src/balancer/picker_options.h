/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_PICKER_OPTIONS_H
#define RESIL_BALANCER_PICKER_OPTIONS_H

/* The options of all pickers: checked as given, then filled in. */

#include <resil/picker.h>

#include "base/check.h"

/** RESIL_OK, or RESIL_EINVAL with a line that names field, value and range. user is the program's
    own affair. */
int resil__picker_options_check(const struct resil_picker_options *options, struct resil__why why);

/** Puts the defaults in place of zeros. The default of maglev_size depends on how many members a
    pool has: that 0 stays. */
void resil__picker_options_fill(struct resil_picker_options *options);

#endif
