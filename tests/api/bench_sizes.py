#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The sizes of structs that bench/README.md tells are those of the headers: bench_sizes.py README 'CC...' INCLUDE...

Every struct resil_<noun> that has a resil_<noun>_init stands in the table, and struct resil_call. Control: a table with
one number wrong, or with one row less, is found out. Sizes are those of x86-64.
"""

import pathlib
import platform
import re
import subprocess
import sys

ROW = re.compile(r"^\| `struct (resil_\w+)` \| (\d+) \|", re.M)
INIT = re.compile(r"\b(resil_\w+)_init\(struct \1 \*")


def compiles(compiler, includes, sizes):
    """Returns the compiler's complaints about these sizes, empty when there are none."""
    lines = ["#include <resil/resil.h>"]
    lines += [f'_Static_assert(sizeof(struct {name}) == {size}, "{name} is not {size}");' for name, size in sizes]
    done = subprocess.run([*compiler, "-std=c11", "-fsyntax-only", *(f"-I{folder}" for folder in includes), "-xc", "-"],
                          input="\n".join(lines) + "\n", text=True, capture_output=True, check=False)
    return done.stderr if done.returncode != 0 else ""


def absent(text, nouns):
    return sorted(nouns - {name for name, _ in ROW.findall(text)})


def main():
    readme, compiler, *includes = sys.argv[1:]
    compiler = compiler.split()
    text = pathlib.Path(readme).read_text(encoding="utf-8")
    nouns = {"resil_call"}
    for folder in includes:
        for header in pathlib.Path(folder, "resil").glob("*.h"):
            nouns.update(INIT.findall(header.read_text(encoding="utf-8")))
    faults = [f"bench/README.md doesn't tell the size of struct {name}" for name in absent(text, nouns)]
    if len(nouns) < 10 or not absent(text.replace("`struct resil_call`", ""), nouns):
        faults.append("control: a missing row is not found")
    sizes = ROW.findall(text)
    if sizes and platform.machine() == "x86_64":
        complaints = compiles(compiler, includes, sizes)
        if complaints:
            faults.append(complaints)
        name, size = sizes[0]
        if not compiles(compiler, includes, [(name, int(size) + 1)]):
            faults.append("control: a wrong size compiles")
    print("\n".join(faults) or f"{len(sizes)} sizes are right")
    return bool(faults)


sys.exit(main())
