#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Which words may stand in which room: lint.py SOURCE_ROOT

Reads include/resil and src with comments and string literals taken out. First every rule is fed samples that
it has to refuse and samples that it has to let pass; a rule that can't tell them apart fails the test like a
fault in the sources does.
"""

import pathlib
import re
import sys

PRIMITIVES = ("breaker", "limiter", "retry", "bulkhead", "overload", "balancer", "cache", "resolver",
              "counters")
BELOW_PRIMITIVES = ("outcome", "window", "keyed", "platform", "base")

# A room may include from itself and from the rooms named here.
BELOW = {
    "base": (),
    "platform": ("base",),
    "keyed": ("base",),
    "outcome": ("base",),
    "window": ("base",),
    "policy": PRIMITIVES + BELOW_PRIMITIVES,
    "chain": ("policy",) + BELOW_PRIMITIVES,
    "driver": ("chain", "policy") + PRIMITIVES + BELOW_PRIMITIVES,
}
BELOW.update({room: ("outcome", "window", "keyed", "base") for room in PRIMITIVES})

# Headers that rooms above may include one by one, from a room that they may not.
DOORS = {"platform/cpu.h": PRIMITIVES + ("policy",),  # the processor, for stripes
         "platform/owners.h": PRIMITIVES}  # and who may write them

# What every public header may include besides <resil/...>.
PUBLIC_INCLUDES = ("stddef.h", "stdint.h", "stdbool.h")


def call(names):
    """The pattern of a call of one of these functions; not of a member of that name."""
    return r"(?<![\w.])(?<!->)(" + names + r")\s*\("


# (name, pattern, rooms of src/ in which it may stand)
WORDS = (
    ("memory order or bare atomic",
     r"\b(memory_order_\w+|__ATOMIC_\w+|__atomic_\w+|__sync_\w+|ck_pr_\w+|atomic_\w+|_Atomic)\b",
     ("base",)),
    ("clock, sleep or entropy",
     call(r"clock_\w+|gettimeofday|time|(nano|u)?sleep|getrandom|getentropy|s?rand(om)?(_r)?|arc4random\w*")
     + r"|\b\w*(futex|FUTEX)\w*", ("platform",)),
    ("system call or thread", call(r"syscall|pthread_\w+|thrd_\w+|mtx_\w+|sched_\w+"),
     ("platform", "driver")),
    ("allocation",
     call("malloc|calloc|realloc|reallocarray|free|strn?dup|aligned_alloc|posix_memalign|alloca|mmap"),
     ("platform",)),
    ("output", call("v?f?printf|v?dprintf|puts|fputs|putchar|putc|fputc|fwrite|perror|syslog"),
     ("platform",)),
    ("end of the process",
     call("abort|_?exit|_Exit|quick_exit|raise|kill|longjmp|__builtin_trap"), ()),
    ("errno", r"\b(errno|strerror(_r)?)\b", ("platform", "driver")),
    ("environment variable", call("(secure_)?getenv"), ()),
)

# The files of a room that may hold a word which the rest of it may not.
EXCEPT = {
    "base/chaos.h": ("system call or thread",),  # yields, in builds for tests
    "base/epoch.c": ("system call or thread", "allocation"),  # slots, given back when threads end
    "base/lock.h": ("system call or thread",),
}

PUBLIC_WORDS = r"\b(_Atomic|atomic_\w+|pthread_\w+|ck_\w+|__atomic_\w+|__sync_\w+|__int128)\b"

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def bare(text):
    """The text without comments, and with empty string literals except in #include lines."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|^[ \t]*#[ \t]*include[^\n]*|"(?:\\.|[^"\\\n])*"'
                         r"|'(?:\\.|[^'\\\n])*'", re.S | re.M)

    def keep(match):
        found = match.group(0)
        if found.startswith("/"):
            return " " + "\n" * found.count("\n")
        return '""' if found[0] in "\"'" else found.split("/*")[0]

    return pattern.sub(keep, text)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def room_of(path):
    """The room of an include or of a file below src/."""
    return path.split("/")[0]


def check_public(name, text):
    """Yields (line, fault) of a public header."""
    text = bare(text)
    noun = name.rsplit("/", 1)[-1].split(".")[0]
    for match in INCLUDE.finditer(text):
        quote, target = match.groups()
        line = line_of(text, match.start())
        if quote == '"' or not (target in PUBLIC_INCLUDES or target.startswith("resil/")):
            yield line, f"a public header includes {target}"
        other = target.removeprefix("resil/").removesuffix(".h")
        if noun in PRIMITIVES and other in PRIMITIVES and other != noun:
            yield line, f"a primitive's header includes another's: {target}"
    for match in re.finditer(PUBLIC_WORDS, text):
        yield line_of(text, match.start()), f"a public header names {match.group(0)}"


def check_private(name, text):
    """Yields (line, fault) of a file of src/; name is its path below src/."""
    text = bare(text)
    room = room_of(name)
    if room not in BELOW:
        yield 1, f"no room of this name is known: {room}"
        return
    for match in INCLUDE.finditer(text):
        quote, target = match.groups()
        line = line_of(text, match.start())
        if quote == "<":
            other = target.removeprefix("resil/").removesuffix(".h")
            if target.startswith("resil/") and other in PRIMITIVES and other != room \
                    and other not in BELOW[room]:
                yield line, f"{room} includes {target}"
            if target.startswith("ck_") and room != "base":
                yield line, f"ck outside of base: {target}"
            if target == "stdatomic.h" and room != "base":
                yield line, f"atomics outside of base: {target}"
            continue
        if "/" not in target:
            continue
        if ".." in target.split("/"):
            yield line, f"an include climbs out of its room: {target}"
        elif room_of(target) != room and room_of(target) not in BELOW[room] and room not in DOORS.get(target, ()):
            yield line, f"{room} includes {target}"
    code = re.sub(r"^[ \t]*#[ \t]*include[^\n]*", "", text, flags=re.M)
    for what, pattern, rooms in WORDS:
        if room not in rooms and what not in EXCEPT.get(name, ()):
            for match in re.finditer(pattern, code):
                yield line_of(code, match.start()), f"{what} in {room}: {match.group(0).strip(' (')}"


# (check, file name, text, must it be refused)
SAMPLES = (
    (check_public, "env.h", "#include <time.h>\n", True),
    (check_public, "env.h", '#include "resil/common.h"\n', True),
    (check_public, "env.h", "#include <ck_pr.h>\n", True),
    (check_public, "env.h", "#include <resil/common.h>\n#include <stdint.h>\n", False),
    (check_public, "env.h", "struct x { _Atomic int y; };\n", True),
    (check_public, "env.h", "void f(pthread_mutex_t *);\n", True),
    (check_public, "env.h", "/* no _Atomic, no pthread_mutex_t, no ck_ring here */\nint check_x;\n", False),
    (check_public, "breaker.h", "#include <resil/limiter.h>\n", True),
    (check_public, "breaker.h", "#include <resil/policy.h>\n", False),
    (check_private, "breaker/x.c", "x = __atomic_load_n(p, __ATOMIC_ACQUIRE);\n", True),
    (check_private, "breaker/x.c", "#include <stdatomic.h>\n", True),
    (check_private, "breaker/x.c", "f(memory_order_relaxed);\n", True),
    (check_private, "breaker/x.c", "__sync_synchronize();\n", True),
    (check_private, "breaker/x.c", "ck_pr_fas_64(p, 1);\n", True),
    (check_private, "breaker/x.c", "#include <ck_pr.h>\n", True),
    (check_private, "breaker/x.c", "/* pairs with __ATOMIC_RELEASE */ resil__add(p, 1);\n", False),
    (check_private, "base/atomic.h", "__atomic_load_n(p, __ATOMIC_ACQUIRE);\n", False),
    (check_private, "breaker/x.c", "clock_gettime(CLOCK_MONOTONIC, &ts);\n", True),
    (check_private, "breaker/x.c", "now = resil_now_ns(); t = x.time;\n", False),
    (check_private, "retry/x.c", "nanosleep(&ts, NULL);\n", True),
    (check_private, "retry/x.c", "getrandom(&x, 8, 0);\n", True),
    (check_private, "retry/x.c", "syscall(SYS_futex, p);\n", True),
    (check_private, "retry/x.c", "x = random();\n", True),
    (check_private, "retry/x.c", "x = env->random(env->arg); ops.time(x);\n", False),
    (check_private, "retry/x.c", "x = resil__random_next(&seed);\n", False),
    (check_private, "platform/x.c", "nanosleep(&ts, NULL); clock_gettime(0, &ts);\n", False),
    (check_private, "chain/x.c", "p = malloc(8);\n", True),
    (check_private, "chain/x.c", "free (p);\n", True),
    (check_private, "chain/x.c", "is_free(p); resil_x_free_(p);\n", False),
    (check_private, "chain/x.c", 'printf("x");\n', True),
    (check_private, "base/check.c", '(void)snprintf(t, n, "printf(%d)", 1);\n', False),
    (check_private, "base/x.c", "abort();\n", True),
    (check_private, "base/x.c", "p = aligned_alloc(64, 64);\n", True),
    (check_private, "base/x.c", "pthread_mutex_lock(&m);\n", True),
    (check_private, "base/epoch.c", "p = aligned_alloc(64, 64); pthread_key_create(&k, f);\n", False),
    (check_private, "base/epoch.c", "nanosleep(&ts, NULL);\n", True),
    (check_private, "base/epoch.h", "pthread_key_create(&k, f);\n", True),
    (check_private, "base/lock.h", "pthread_mutex_lock(&m);\n", False),
    (check_private, "base/lock.h", "p = malloc(8);\n", True),
    (check_private, "outcome/x.c", "#include <errno.h>\nint f(int err) { return err == EINTR; }\n", False),
    (check_private, "outcome/x.c", "#include <errno.h>\nint f(void) { return errno == EINTR; }\n", True),
    (check_private, "breaker/x.c", '#include "limiter/limiter_fast.h"\n', True),
    (check_private, "breaker/x.c", '#include "../limiter/limiter_fast.h"\n', True),
    (check_private, "breaker/x.c", "#include <resil/retry.h>\n", True),
    (check_private, "breaker/x.c", '#include "breaker_fast.h"\n#include "window/ring.h"\n', False),
    (check_private, "breaker/x.c", '#include "platform/cpu.h"\n', False),
    (check_private, "breaker/x.c", '#include "platform/tsc.h"\n', True),
    (check_private, "window/x.c", '#include "platform/cpu.h"\n', True),
    (check_private, "window/x.c", '#include "breaker/breaker_fast.h"\n', True),
    (check_private, "keyed/x.c", '#include "limiter/gcra_state.h"\n', True),
    (check_private, "limiter/x.c", '#include "keyed/table.h"\n', False),
    (check_private, "base/x.c", '#include "window/ring.h"\n', True),
    (check_private, "chain/x.c", '#include "breaker/breaker_fast.h"\n', True),
    (check_private, "policy/x.c", '#include "breaker/breaker_fast.h"\n', False),
    (check_private, "policy/x.c", '#include "chain/call.h"\n', True),
    (check_private, "cellar/x.c", "int x;\n", True),
)


def main():
    root = pathlib.Path(sys.argv[1])
    faults = []
    for check, name, text, refuse in SAMPLES:
        if bool(list(check(name, text))) != refuse:
            faults.append(f"lint.py itself: {name} {text!r} should be {'refused' if refuse else 'let pass'}")

    headers = sorted(root.glob("include/resil/*.h*"))
    sources = sorted(path for path in root.glob("src/**/*") if path.suffix in (".c", ".h"))
    if not headers or not sources:
        faults.append("no files found")
    for path in headers:
        for line, fault in check_public(path.name.removesuffix(".in"), path.read_text()):
            faults.append(f"{path.relative_to(root)}:{line}: {fault}")
    for path in sources:
        for line, fault in check_private(path.relative_to(root / "src").as_posix(), path.read_text()):
            faults.append(f"{path.relative_to(root)}:{line}: {fault}")

    print("\n".join(faults) or f"{len(headers)} headers and {len(sources)} files of src/ are clean, "
          f"{len(SAMPLES)} samples told apart")
    return bool(faults)


sys.exit(main())
