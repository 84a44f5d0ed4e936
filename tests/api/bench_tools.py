#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The tools beside the benchmarks work out what they say: bench_tools.py REPORT_PY GOALS BUILD SANDBOX

report.py gets measurements made up here, so that every ratio is known. goals runs for real, and not one of its numbers
is judged: benchmarks are not tests.
"""

import importlib.machinery
import importlib.util
import json
import pathlib
import subprocess
import sys
import xml.etree.ElementTree


def load(path, name):
    """A program as a module, without running it."""
    source = pathlib.Path(path).read_text(encoding="utf-8").replace("\nsys.exit(main())\n", "\n")
    module = importlib.util.module_from_spec(importlib.machinery.ModuleSpec(name, None))
    module.__dict__["__file__"] = path
    exec(compile(source, path, "exec"), module.__dict__)  # our own file
    return module


def rounds_of(report, without=()):
    """Three rounds: ours takes 10 ns with a thread, a peer or limit 5 ns; twice and eightfold of that with two. The second
    round is the fastest. Medians are 1.5 and 2 times that."""
    ours = {row for row, _ in report.LIMITS} | {row for _, row, _, _ in report.PEERS}
    for slower in (3, 1, 2):
        for row in dict.fromkeys(report.wanted()):
            for threads, factor in ((1, 1), (2, 2 if row in ours else 8)):
                if row not in without:
                    ns = (10 if row in ours else 5) * factor * slower
                    yield json.dumps({"bench": row, "threads": threads, "min_ns": ns, "median_ns": ns * (1.5 if row in ours else 2)})


def check_report(program, sandbox):
    report = load(program, "report")
    machine = sandbox / "machine.txt"
    machine.write_text("Processor: <made up> & small\nSystem: none\n")
    rounds, table, picture = sandbox / "rounds.jsonl", sandbox / "table.md", sandbox / "plot.svg"

    def run(lines, *options):
        rounds.write_text("\n".join(lines) + "\n")
        for path in (table, picture):
            path.unlink(missing_ok=True)
        return subprocess.run([sys.executable, program, *options, str(rounds), str(machine), str(table), str(picture)], text=True,
                              capture_output=True, check=False)

    done = run(rounds_of(report))
    if done.returncode != 0 or done.stderr:
        yield f"report.py: {done.returncode} {done.stderr}"
        return
    text = table.read_text()
    for line in ("| token, told the time | `limiter.gcra` | 10.0 / 30.0 | 20.0 / 60.0 | `peer.x_time_rate_now` | 5.0 / 20.0 "
                 "| 40.0 / 160 | 0.50 | 2.67 |",
                 "| `breaker.open` | 10.0 / 30.0 | 20.0 / 60.0 | `limit.call` | 5.0 / 20.0 | 40.0 / 160 | 2.00 | 0.38 |",
                 "- Processor: <made up> & small"):
        if line not in text.splitlines():
            yield f"report.py: no line {line}\n{text}"
    for node in ("rect", "text"):
        if len(list(xml.etree.ElementTree.parse(picture).iter("{http://www.w3.org/2000/svg}" + node))) < 40:
            yield f"report.py: the plot lacks {node}"
    if run(rounds_of(report, without=("chain.now",))).returncode != 0:
        yield "report.py wants a row that may not be there yet"
    if run(rounds_of(report, without=("peer.guava",))).returncode == 0:
        yield "report.py is content without a peer"
    done = run(rounds_of(report, without=("peer.guava",)), "--allow-missing")
    if done.returncode != 0 or "peer.guava" not in done.stderr or "peer.guava`" in table.read_text():
        yield f"report.py doesn't name what was not measured: {done.stderr}"
    done = run(list(rounds_of(report))[:40])
    if done.returncode == 0:
        yield "control: report.py is content with one round"


def check_goals(program, build):
    goals = load(program, "goals")
    goal = goals.Goal("a", 1, 2.0, "b")
    two = goals.Goal("a", 2, 1.2, "a")
    bare = goals.Goal("a", 1, 1.0, "b", rseq=False)
    fast = goals.Goal("a", 1, 1.0, "b", rseq=True)
    minima = {("a", 1, True): 4.0, ("b", 1, True): 2.0, ("a", 2, True): 5.0, ("a", 1, False): 3.0, ("b", 1, False): 2.0}
    there = {"a", "b"}
    for one, rseq, wanted in ((goal, True, ("2.00", "met")), (two, True, ("1.25", "missed")),
                              (bare, True, ("1.50", "missed")), (bare, False, ("1.50", "missed")),
                              (goal, False, ("1.50", "met")), (two, False, ("", "no quiet")),
                              (fast, True, ("2.00", "missed")), (fast, False, ("", "no restartable")),
                              (goals.Goal("c", 1, 1.0, "a"), True, ("", "no such bench yet: c")),
                              (goals.Goal("a", 1, 1.0, "d"), True, ("", "no such bench yet: d"))):
        measured, verdict = goals.judge(one, there, minima, rseq)
        if measured != wanted[0] or not verdict.startswith(wanted[1]):
            yield f"goals: {one} came out as {measured} {verdict}, not {wanted}"
    steps = (("a", 2), ("b", 1))
    for one, rseq, wanted in ((goal, True, ""), (goal._replace(steps=steps), True, "5.00"),
                              (bare._replace(steps=steps), True, "4.00"), (goal._replace(steps=(("c", 1),)), True, "")):
        if goals.no_less(one, minima, rseq) != wanted:
            yield f"goals: the steps of {one} are {goals.no_less(one, minima, rseq)}, not {wanted}"
    done = subprocess.run([sys.executable, program, build, "--rounds", "1", "--ms", "1"], text=True, capture_output=True,
                          check=False)
    rows = [line.split()[0] for line in done.stdout.splitlines()[1:] if line[:1].isalpha()]
    if done.returncode not in (0, 1) or rows != [one.row for one in goals.GOALS]:
        yield f"goals: {done.returncode} {done.stdout}{done.stderr}"


def main():
    report, goals, build, sandbox = sys.argv[1:]
    sandbox = pathlib.Path(sandbox)
    sandbox.mkdir(parents=True, exist_ok=True)
    faults = [*check_report(report, sandbox), *check_goals(goals, build)]
    print("\n".join(faults) or "report.py and goals work out what they say")
    return bool(faults)


sys.exit(main())
