#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The README's program compiles without a warning, links and runs: readme.py README SANDBOX LIBDIR 'CC...' INCLUDE...

It is the first ```c block, of at most 30 lines. Control: the same program with a wrong field must not compile.
"""

import os
import pathlib
import re
import subprocess
import sys


def build(compiler, includes, libdir, source, program):
    command = [*compiler, "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
               *(f"-I{folder}" for folder in includes), str(source), f"-L{libdir}", "-lresil",
               f"-Wl,-rpath,{libdir}", "-o", str(program)]
    return subprocess.run(command, text=True, capture_output=True, check=False)


def main():
    readme, sandbox, libdir, compiler, *includes = sys.argv[1:]
    sandbox = pathlib.Path(sandbox)
    sandbox.mkdir(parents=True, exist_ok=True)
    block = re.search(r"^```c\n(.*?)^```$", pathlib.Path(readme).read_text(encoding="utf-8"), flags=re.S | re.M)
    if block is None:
        print("the README shows no program")
        return 1
    text = block.group(1)
    if text.count("\n") > 30:
        print(f"the README's program has {text.count(chr(10))} lines: it is to be read at a glance")
        return 1
    source = sandbox / "readme.c"
    source.write_text(text)
    built = build(compiler.split(), includes, libdir, source, sandbox / "readme")
    if built.returncode != 0:
        print(built.stderr)
        return 1
    ran = subprocess.run([str(sandbox / "readme")], text=True, capture_output=True, check=False, timeout=30,
                         env={**os.environ, "LD_LIBRARY_PATH": libdir})
    if ran.returncode != 0 or "attempt 2" not in ran.stdout:
        print(f"the README's program answered {ran.returncode}: {ran.stdout}{ran.stderr}")
        return 1
    source.write_text(text.replace(".failure_pct", ".failure_share"))
    if build(compiler.split(), includes, libdir, source, sandbox / "control").returncode == 0:
        print("control: a wrong field compiled")
        return 1
    return 0


sys.exit(main())
