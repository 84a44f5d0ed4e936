#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The benchmarks run and say what they promise to say: bench_smoke.py RESIL_BENCH

Nothing here judges a number but for being one: benchmarks are not tests.
"""

import json
import os
import subprocess
import sys

LIMITS = {"limit.xadd", "limit.cas", "limit.call", "limit.library", "limit.clock", "limit.clock_coarse"}


KEYS = ["bench", "threads", "min_ns", "median_ns"]
SPREAD = ["batch", "p50_ns", "p99_ns", "p999_ns", "max_ns"]


def faults_of(output, threads, names, percentiles=False):
    """Yields what is wrong with the lines of --json; names must be among the benches."""
    seen = []
    for line in output.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            yield f"no JSON: {line}"
            continue
        if not isinstance(row, dict) or list(row) != KEYS + SPREAD * percentiles:
            yield f"other keys: {line}"
        elif not (isinstance(row["bench"], str) and row["threads"] == threads
                  and isinstance(row["min_ns"], float) and isinstance(row["median_ns"], float)
                  and 0 < row["min_ns"] <= row["median_ns"]):
            yield f"values that can't be: {line}"
        elif percentiles and not (row["batch"] >= 1
                                  and 0 < row["p50_ns"] <= row["p99_ns"] <= row["p999_ns"] <= row["max_ns"]):
            yield f"percentiles that can't be: {line}"
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
    good = good.replace("}", ', "batch": 9, "p50_ns": 1.5, "p99_ns": 2.0, "p999_ns": 2.0, "max_ns": 9.5}')
    if list(faults_of(good, 1, {"a"}, True)):
        yield "control: the good sample with percentiles is refused"
    for bad in (good.replace("9.5", "1.9"), good.replace('"p50_ns": 1.5', '"p50_ns": 0.0'),
                good.replace('"p50_ns": 1.5', '"p50_ns": 2.5'), good.replace(': 9,', ': 0,'),
                good.replace("p999_ns", "p99_9_ns")):
        if not list(faults_of(bad, 1, {"a"}, True)):
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
    done = run(["--json", "--ms", "1", "--filter", "limit.call", "--repetitions", "3", "--percentiles"])
    faults += faults_of(done.stdout, 1, {"limit.call"}, True)
    processors = len(os.sched_getaffinity(0))
    if processors > 1:
        done = run(["--json", "--ms", "1", "--filter", "limit.call", "--repetitions", "1", "--threads", "2,1-2"])
        # A busy machine may leave one out, and says so.
        if done.returncode == 0 and [json.loads(line)["threads"] for line in done.stdout.splitlines()] != [2, 1, 2]:
            faults.append(f"not the sweep that was asked for: {done.stdout}")
    table = run(["--ms", "1", "--filter", "limit.call"])
    if table.returncode != 0 or "limit.xadd" not in table.stdout or "limit.call" not in table.stdout:
        faults.append(f"the table lacks a row: {table.stdout}{table.stderr}")
    listed = run(["--list", "--filter", "limit.c"])
    if listed.returncode != 0 or set(listed.stdout.split()) != {name for name in LIMITS if name.startswith("limit.c")}:
        faults.append(f"--list lists something else: {listed.stdout}{listed.stderr}")
    counted = run(["--count", "5", "--filter", "limit.clock,limit.call"])
    if counted.returncode != 0 or counted.stdout:
        faults.append(f"--count measures: {counted.stdout}{counted.stderr}")
    for wrong in (["--filter", "nothing"], ["--count", "5"], ["--count", "0", "--filter", "limit.call"],
                  ["--count", "5", "--filter", "limit"], ["--filter", "limit,nothing"], ["--threads", "0"], ["--ms", "x"],
                  ["--threads", ""], ["--threads", "1-"], ["--threads", "1,"], ["--threads", ",1"], ["--threads", "0-1"],
                  ["--threads", f"1-{processors + 1}"], ["--threads", "1-1-1"], ["--threads", "1 1"],
                  ["--threads", "1,3-2"], ["--repetitions", "0"], ["--repetitions", "1002"],
                  ["--no-such"], ["word"]):
        if run(wrong).returncode != 2:
            faults.append(f"{wrong} passes")

    print("\n".join(faults) or "the benchmarks speak as they should")
    return bool(faults)


sys.exit(main())
