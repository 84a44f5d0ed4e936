#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The benchmarks run and say what they promise to say: bench_smoke.py RESIL_BENCH

Nothing here judges a number but for being one: benchmarks are not tests.
"""

import json
import subprocess
import sys

LIMITS = {"limit.xadd", "limit.cas", "limit.call", "limit.library", "limit.clock", "limit.clock_coarse"}


def faults_of(output, threads, names):
    """Yields what is wrong with the lines of --json; names must be among the benches."""
    seen = []
    for line in output.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            yield f"no JSON: {line}"
            continue
        if not isinstance(row, dict) or list(row) != ["bench", "threads", "min_ns", "median_ns"]:
            yield f"other keys: {line}"
        elif not (isinstance(row["bench"], str) and row["threads"] == threads
                  and isinstance(row["min_ns"], float) and isinstance(row["median_ns"], float)
                  and 0 < row["min_ns"] <= row["median_ns"]):
            yield f"values that can't be: {line}"
        else:
            seen.append(row["bench"])
    if not set(names) <= set(seen) or len(seen) != len(set(seen)):
        yield f"benches {seen}: {sorted(names)} must be there, once"


def controls():
    """Yields the bad samples that pass and the good one that doesn't."""
    good = '{"bench": "a", "threads": 1, "min_ns": 1.5, "median_ns": 2.0}\n'
    if list(faults_of(good, 1, {"a"})):
        yield "control: the good sample is refused"
    for bad in ("", "x\n", good + good, good.replace("1.5", "2.5"), good.replace("1.5", "0.0"),
                good.replace("1.5", '"1.5"'), good.replace('"threads": 1', '"threads": 2'),
                good.replace("min_ns", "min"), good.replace('"a"', '"b"')):
        if not list(faults_of(bad, 1, {"a"})):
            yield f"control: passed {bad}"


def run(arguments):
    return subprocess.run([sys.argv[1]] + arguments, text=True, capture_output=True, check=False)


def main():
    faults = list(controls())
    done = run(["--json", "--ms", "1", "--filter", "limit"])
    if done.returncode != 0:
        faults.append(f"exit status {done.returncode}: {done.stderr}")
    faults += faults_of(done.stdout, 1, LIMITS)
    if any(not line.startswith('{"bench": "limit') for line in done.stdout.splitlines()):
        faults.append(f"the filter lets others pass: {done.stdout}")

    done = run(["--json", "--ms", "1", "--filter", "limit.clock,limit.call"])
    faults += faults_of(done.stdout, 1, {"limit.clock", "limit.clock_coarse", "limit.call"})
    if len(done.stdout.splitlines()) != 3:
        faults.append(f"not the three benches of the filter: {done.stdout}")
    table = run(["--ms", "1", "--filter", "limit.call"])
    if table.returncode != 0 or "limit.xadd" not in table.stdout or "limit.call" not in table.stdout:
        faults.append(f"the table lacks a row: {table.stdout}{table.stderr}")
    counted = run(["--count", "5", "--filter", "limit.clock,limit.call"])
    if counted.returncode != 0 or counted.stdout:
        faults.append(f"--count measures: {counted.stdout}{counted.stderr}")
    for wrong in (["--filter", "nothing"], ["--count", "5"], ["--count", "0", "--filter", "limit.call"],
                  ["--count", "5", "--filter", "limit"], ["--filter", "limit,nothing"], ["--threads", "0"], ["--ms", "x"],
                  ["--no-such"], ["word"]):
        if run(wrong).returncode != 2:
            faults.append(f"{wrong} passes")

    print("\n".join(faults) or "the benchmarks speak as they should")
    return bool(faults)


sys.exit(main())
