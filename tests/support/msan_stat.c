/* SPDX-License-Identifier: BSD-2-Clause */

/* Old runtimes of MemorySanitizer don't know stat and fstat of glibc 2.33 and later, which were
   inline functions before: they take the struct for never written. Linked with --wrap, this tells
   them. */
#include <sanitizer/msan_interface.h>
#include <sys/stat.h>

#define TELL(symbol, type)                                                                         \
    int __real_##symbol(type what, struct stat *status);                                           \
    int __wrap_##symbol(type what, struct stat *status);                                           \
    int __wrap_##symbol(type what, struct stat *status)                                            \
    {                                                                                              \
        int rc = __real_##symbol(what, status);                                                    \
                                                                                                   \
        if (rc == 0)                                                                               \
            __msan_unpoison(status, sizeof *status);                                               \
        return rc;                                                                                 \
    }

TELL(stat, const char *)
TELL(stat64, const char *)
TELL(fstat, int)
TELL(fstat64, int)
