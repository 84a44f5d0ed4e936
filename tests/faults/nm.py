#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the library calls of the system, and who makes it fail: nm.py NM LIBRARY FAULTS_CALLS

Every undefined symbol of the library has to be in one of two lists: what faults_calls refuses (it prints its
names), or what can't fail here, with the reason. A symbol in neither fails this test, and so does one that is
listed and not used any more. Controls first: a new symbol and a stale one have to be found.
"""

import re
import subprocess
import sys

# Symbol: why nothing has to make it fail.
CANT_FAIL = {
    "bcmp": "pure; a compiler's own choice for memcmp",
    "errno_location": "the address of errno",
    "free": "takes back what was given out",
    "getpid": "always succeeds",
    "memchr": "pure", "memcmp": "pure", "memcpy": "pure", "memmove": "pure", "memset": "pure",
    "pthread_join": "of a joinable thread, once, by another one",
    "pthread_key_delete": "of a key that was created",
    "pthread_mutex_destroy": "of a mutex that nobody holds",
    "pthread_mutex_lock": "of a normal mutex, initialised",
    "pthread_mutex_trylock": "its refusal is an answer; lock_excludes_other_threads in unit/test_epoch.c",
    "pthread_mutex_unlock": "of a normal mutex that this thread holds",
    "pthread_once": "always succeeds",
    "pthread_setcancelstate": "of a state that there is",
    "pthread_self": "always succeeds",
    "rseq_offset": "a number, no call", "rseq_size": "a number, no call",
    "sched_yield": "always succeeds; in builds with -Dchaos=true alone",
    "sigfillset": "of a set of ours",
    "snprintf": "into memory, with no conversion that allocates; its length is not relied on where it may cut",
    "stack_chk_fail": "never called, or the end",
    "strchr": "pure", "strcmp": "pure", "strlen": "pure", "strncmp": "pure", "strrchr": "pure",
    "tls_get_addr": "lays out thread-locals; out of memory it ends the process",
}

# Other names of the same call.
ALIASES = {"register_atfork": "pthread_atfork", "xpg_strerror_r": "strerror_r"}

# A compiler puts these in, in builds of its own kind.
OTHERS = re.compile(r"_ITM_|__gmon_start__$|__cxa_finalize$|__(asan|ubsan|tsan|msan|lsan|sanitizer)_|_Unwind_|"
                    r"__gcov|_?_?llvm_|__libc_start_main$")


def plain(symbol):
    """The name of the call: __read_chk and read64 are read."""
    symbol = symbol.split("@")[0]
    symbol = re.sub(r"^__(\w+)_chk$", r"\1", symbol)
    symbol = re.sub(r"(?<=[a-z])64$", "", symbol)
    symbol = re.sub(r"^__", "", symbol)
    return ALIASES.get(symbol, symbol)


def judge(symbols, refused):
    """Yields the faults of the two lists."""
    calls = {plain(symbol) for symbol in symbols if not OTHERS.match(symbol.split("@")[0])}
    for call in sorted(calls - set(refused) - set(CANT_FAIL)):
        yield f"{call}: nothing makes it fail, and no reason says why it can't"
    for call in sorted(set(refused) - calls):
        yield f"{call}: refused by a test, but not called by the library"
    for call in sorted(set(refused) & set(CANT_FAIL)):
        yield f"{call}: in both lists"


def main():
    nm, library, program = sys.argv[1:]
    refused = subprocess.run([program, "names"], text=True, check=True, capture_output=True).stdout.split()
    lines = subprocess.run([nm, "-D", "-u", library], text=True, check=True, capture_output=True).stdout
    symbols = [line.split()[-1] for line in lines.splitlines()]
    if not any(fault.startswith("mmap:")
               for fault in judge(symbols + ["mmap64@GLIBC_2.2.5"], refused)):
        sys.exit("control: a new symbol was not found")
    if not any(fault.startswith("ioctl:") for fault in judge(symbols, refused + ["ioctl"])):
        sys.exit("control: a stale entry was not found")
    faults = list(judge(symbols, refused))
    print("\n".join(faults))
    calls = {plain(symbol) for symbol in symbols if not OTHERS.match(symbol.split("@")[0])}
    print(f"{len(calls)} calls: {len(calls & set(refused))} can fail and are made to, "
          f"{len(calls & set(CANT_FAIL))} can't")
    sys.exit(1 if faults else 0)


main()
