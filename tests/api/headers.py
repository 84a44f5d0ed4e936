#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every public header compiles alone: headers.py CC CXX SANDBOX INCLUDE_DIR... -- HEADER...

CC and CXX are command lines. Each header is compiled as pedantic C11, as C++11 and as C++17, twice included, with
warnings as errors. Before that, headers with a fault each have to be refused: a compiler that lets them pass
would let ours pass too.
"""

import concurrent.futures
import os
import pathlib
import shlex
import subprocess
import sys

BOTH = ["-pedantic-errors", "-Werror", "-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion",
        "-Wshadow", "-Wundef", "-Wcast-qual", "-Wpointer-arith", "-Wunused-macros", "-fsyntax-only"]
DIALECTS = {
    "c11": ["-x", "c", "-std=c11", "-Wmissing-prototypes", "-Wstrict-prototypes", "-Wc++-compat"],
    "c++11": ["-x", "c++", "-std=c++11"],
    "c++17": ["-x", "c++", "-std=c++17"],
}

# Header text, and the dialects that must refuse it.
BAD = {
    "needs_another.h": ("static inline uint64_t f(void) { return 0; }\n", ("c11", "c++11", "c++17")),
    "cpp_keyword.h": ("struct resil_x { int class; };\n", ("c11", "c++11", "c++17")),
    "no_guard.h": ("struct resil_x { int y; };\n", ("c11", "c++11", "c++17")),
    "bare_prototype.h": ("int resil_f();\n", ("c11",)),
    "shadow.h": ("#ifndef S\n#define S\nint resil_s(int);\nstatic inline int f(int x) { int y = x; { int y = 2; x = y; } "
                 "return x + y; }\n#endif\n", ("c11", "c++11", "c++17")),
    "narrowing.h": ("static inline int f(long x) { return x; }\n", ("c11", "c++11", "c++17")),
    "gnu_only.h": ("#ifndef G\n#define G\nstruct resil_x { int y; int z[0]; };\n#endif\n",
                   ("c11", "c++11", "c++17")),
    "new_cpp.h": ("#ifndef N\n#define N\n#ifdef __cplusplus\nnamespace a::b {}\n#endif\n#endif\n", ("c++11",)),
}
GOOD = "#ifndef GOOD_H\n#define GOOD_H\nstruct resil_good { int y; };\n#endif\n"


def main():
    cc, cxx, sandbox = sys.argv[1:4]
    split = sys.argv.index("--")
    includes, headers = sys.argv[4:split], sys.argv[split + 1:]
    compilers = {"c11": shlex.split(cc), "c++11": shlex.split(cxx), "c++17": shlex.split(cxx)}
    sandbox = pathlib.Path(sandbox)
    sandbox.mkdir(parents=True, exist_ok=True)

    def compiles(path, dialect):
        command = compilers[dialect] + DIALECTS[dialect] + BOTH + ["-I" + d for d in includes] + ["-"]
        source = f'#include "{os.path.abspath(path)}"\n' * 2
        done = subprocess.run(command, input=source, text=True, capture_output=True, check=False)
        return done.returncode == 0, done.stderr

    wanted = []
    for name, (text, refused) in BAD.items():
        (sandbox / name).write_text(text)
        wanted += [(sandbox / name, dialect, False) for dialect in refused]
    (sandbox / "good.h").write_text(GOOD)
    for path in [sandbox / "good.h"] + headers:
        wanted += [(path, dialect, True) for dialect in DIALECTS]

    faults = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for (path, dialect, want), (got, text) in zip(wanted, pool.map(
                lambda job: compiles(job[0], job[1]), wanted)):
            if got != want:
                faults.append(f"{path} as {dialect}: {'refused' if want else 'let pass'}\n{text}")
    if not headers:
        faults.append("no headers given")
    print("\n".join(faults) or f"{len(headers)} headers, {len(wanted)} compilations as expected")
    return bool(faults)


sys.exit(main())
