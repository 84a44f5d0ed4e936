#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The README's program compiles without a warning, links and runs: readme.py README SANDBOX LIBDIR 'CC...' INCLUDE...

It is the first ```c block, of at most 30 lines. Control: the same program with a wrong field must not compile.
Each further ```c block is a part of a program: FRAMES says what stands around it, and what the whole must print.
"""

import os
import pathlib
import re
import subprocess
import sys


BALANCER_BEFORE = """
#include <resil/resil.h>
#include <stdio.h>

static struct resil_retry retry;
static struct resil_balancer lb;
static struct resil_policy policies[2];
static struct resil_chain chain;
static char why[120];

static enum resil_outcome get(void *arg, const char *address)
{
    puts(address);
    return (*(int *)arg)++ == 0 ? RESIL_NOT_SENT : RESIL_SUCCESS;
}
"""

BALANCER_AFTER = """
int main(void)
{
    int calls = 0;

    return start() == RESIL_OK ? resil_chain_run(&chain, resil_env_posix(), NULL, fetch, &calls, NULL) : 1;
}
"""


def two_different(lines):
    return len(lines) == 2 and lines[0] != lines[1]


# By a word of the block: what stands before and after it, and what its lines of output must be.
FRAMES = {"resil_balancer_init": (BALANCER_BEFORE, BALANCER_AFTER, two_different)}


def build(compiler, includes, libdir, source, program):
    command = [*compiler, "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
               *(f"-I{folder}" for folder in includes), str(source), f"-L{libdir}", "-lresil",
               f"-Wl,-rpath,{libdir}", "-o", str(program)]
    return subprocess.run(command, text=True, capture_output=True, check=False)


def run(program, libdir):
    return subprocess.run([str(program)], text=True, capture_output=True, check=False, timeout=30,
                          env={**os.environ, "LD_LIBRARY_PATH": libdir})


def part_is_good(number, text, sandbox, compiler, includes, libdir):
    frame = next((frame for word, frame in FRAMES.items() if word in text), None)
    if frame is None:
        print(f"C block {number} of the README: FRAMES doesn't say how to compile it")
        return False
    source = sandbox / f"part{number}.c"
    source.write_text(frame[0] + text + frame[1])
    built = build(compiler, includes, libdir, source, sandbox / f"part{number}")
    if built.returncode != 0:
        print(built.stderr)
        return False
    ran = run(sandbox / f"part{number}", libdir)
    if ran.returncode != 0 or not frame[2](ran.stdout.splitlines()):
        print(f"C block {number} of the README answered {ran.returncode}: {ran.stdout}{ran.stderr}")
        return False
    return True


def main():
    readme, sandbox, libdir, compiler, *includes = sys.argv[1:]
    sandbox = pathlib.Path(sandbox)
    sandbox.mkdir(parents=True, exist_ok=True)
    blocks = re.findall(r"^```c\n(.*?)^```$", pathlib.Path(readme).read_text(encoding="utf-8"), flags=re.S | re.M)
    if not blocks:
        print("the README shows no program")
        return 1
    text = blocks[0]
    if text.count("\n") > 30:
        print(f"the README's program has {text.count(chr(10))} lines: it is to be read at a glance")
        return 1
    source = sandbox / "readme.c"
    source.write_text(text)
    built = build(compiler.split(), includes, libdir, source, sandbox / "readme")
    if built.returncode != 0:
        print(built.stderr)
        return 1
    ran = run(sandbox / "readme", libdir)
    if ran.returncode != 0 or "attempt 2" not in ran.stdout:
        print(f"the README's program answered {ran.returncode}: {ran.stdout}{ran.stderr}")
        return 1
    source.write_text(text.replace(".failure_pct", ".failure_share"))
    if build(compiler.split(), includes, libdir, source, sandbox / "control").returncode == 0:
        print("control: a wrong field compiled")
        return 1
    parts = [part_is_good(number, part, sandbox, compiler.split(), includes, libdir)
             for number, part in enumerate(blocks[1:], 2)]
    return 0 if all(parts) else 1


sys.exit(main())
