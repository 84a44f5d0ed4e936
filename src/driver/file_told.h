/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_DRIVER_FILE_TOLD_H
#define RESIL_DRIVER_FILE_TOLD_H

/* What the file resolver lets others see: one writer, the tick, and any number of readers under a
   lock that is held for a copy. */

#include <resil/file_resolver.h>

#define RESIL__FILE_WHY sizeof((struct resil_file_resolver_snapshot *)0)->why

void resil__file_tell_nothing(struct resil_file_resolver *file);
void resil__file_tell_look(struct resil_file_resolver *file);
void resil__file_tell_read(struct resil_file_resolver *file);
void resil__file_tell_settling(struct resil_file_resolver *file);

/** The file or its text is wrong: told until the next good. why has RESIL__FILE_WHY bytes. */
void resil__file_tell_error(struct resil_file_resolver *file, const char *why);
void resil__file_tell_good(struct resil_file_resolver *file);

/** The pending list was taken; an error that push had made is over. */
void resil__file_tell_taken(struct resil_file_resolver *file, uint64_t now_ns);
void resil__file_tell_not_taken(struct resil_file_resolver *file, int rc);

#endif
