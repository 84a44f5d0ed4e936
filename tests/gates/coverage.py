#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Which lines and branches no test runs: coverage.py [BUILD_FOLDER]

Builds with gcc's counters, runs the tests of SUITES and OTHERS, and fails unless every line of src/ and of the inline functions
of include/ ran, and 95 % of the branches. A line that can't be provoked says so in a comment of its own, or at its
end; before or behind an opening brace it speaks for the block:

    /* unreachable: the kernel has this clock since 2.6.32 */

A tag without a reason fails, and so does one on a line that ran. First a sample is built and judged, and has to
fail for the right reasons.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
BRANCHES_PCT = 95
REASON_MIN = 12

# Every call of an inlined function would have branches of its own; the children's counts: see the header.
FLAGS = ["-fprofile-update=atomic", "-Dalways_inline=unused", "-include", str(HERE / "dump_on_exit.h")]
OPTIONS = ["-Dbuildtype=debug", "-Db_coverage=true", "-Dbench=false", "-Dwerror=true",
           f"-Dc_args={FLAGS}", "-Dc_link_args=--coverage"]

# What runs the library. The rest of api looks at files, and calls_table at symbols that gcc's counters change.
SUITES = ("unit", "model", "loom", "examples")
OTHERS = ("api:cost", "api:readme", "faults:calls", "faults:clocks", "faults:inside", "faults:left", "faults:dlopen")

TAG = re.compile(r"/\*\s*unreachable\b:?(.*?)\*/", re.S)
FOREIGN = re.compile(r"\b[GL]COVR?_EXCL\w*")


def run(command, **more):
    """Runs a command; ends with its output where it fails."""
    done = subprocess.run(command, text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout[-6000:]}")
    return done.stdout


def block_end(lines, first):
    """The line on which the block that opens on line first (from 1) ends."""
    depth = 0
    for number in range(first, len(lines) + 1):
        text = re.sub(r"/\*.*?\*/|'(?:\\.|[^'])'|\"(?:\\.|[^\"])*\"", "", lines[number - 1])
        depth += text.count("{") - text.count("}")
        if depth <= 0:
            return number
    return first


def tagged(text):
    """Yields (line of the tag, the lines it speaks for, reason)."""
    lines = text.split("\n")
    for match in TAG.finditer(text):
        at = text.count("\n", 0, match.start()) + 1
        begin = text.rfind("\n", 0, match.start()) + 1
        first = at if text[begin:match.start()].strip() else text.count("\n", 0, match.end()) + 2
        code = re.sub(r"/\*.*", "", lines[first - 1]).rstrip() if first <= len(lines) else ""
        last = block_end(lines, first) if code.endswith("{") else first
        reason = " ".join(match.group(1).replace("*", " ").split())
        yield at, range(first, last + 1), reason


class Sum:
    """What was found in all files."""

    def __init__(self):
        self.lines = self.ran = self.excused = self.tags = self.branches = self.taken = 0
        self.faults = []
        self.untaken = []


def judge(report, root):
    """Adds up a report of gcovr, as its JSON."""
    found = Sum()
    for entry in report["files"]:
        name = entry["file"]
        text = (root / name).read_text()
        excused = set()
        counts = {line["line_number"]: line for line in entry["lines"] if not line.get("gcovr/noncode")}
        for match in FOREIGN.finditer(text):
            found.faults.append(f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match.group(0)}: "
                                "say /* unreachable: why */")
        for at, lines, reason in tagged(text):
            found.tags += 1
            if len(reason) < REASON_MIN:
                found.faults.append(f"{name}:{at}: a tag without a reason")
            # The line with the brace may hold the condition, which runs.
            body = [n for n in lines if n in counts and (len(lines) == 1 or n != lines[0])]
            if not body or any(counts[n]["count"] for n in body):
                found.faults.append(f"{name}:{at}: says unreachable, but ran or is no code")
            excused.update(lines)
        source = text.split("\n")
        for number, line in sorted(counts.items()):
            found.lines += 1
            if line["count"]:
                found.ran += 1
            elif number in excused:
                found.excused += 1
            else:
                found.faults.append(f"{name}:{number}: never ran: {source[number - 1].strip()}")
            if number in excused:
                continue
            missed = sum(not branch["count"] for branch in line["branches"])
            found.branches += len(line["branches"])
            found.taken += len(line["branches"]) - missed
            if missed and line["count"]:
                found.untaken.append(f"{name}:{number}: {missed} of {len(line['branches'])} branches never taken: "
                                     f"{source[number - 1].strip()}")
    if found.branches == 0 or found.taken * 100 < found.branches * BRANCHES_PCT:
        found.faults.append(f"branches: {found.taken} of {found.branches} taken, less than {BRANCHES_PCT} %")
    return found


def report_of(gcovr, root, build, filters):
    """What gcovr finds in a build folder."""
    # gcov derives some counts from others: of a process that wrote them while threads ran, one may be below 0.
    command = [gcovr, "--root", root, "--object-directory", build, "--gcov-ignore-parse-errors", "--json", "-"]
    for word in filters:
        command += ["--filter", word]
    if "--merge-mode-functions" in run([gcovr, "--help"]):
        command += ["--merge-mode-functions", "separate"]
    done = subprocess.run(command + [build], text=True, check=False, capture_output=True, cwd=root)
    if done.returncode != 0:
        sys.exit(f"gcovr: exit status {done.returncode}\n{done.stderr[-6000:]}")
    return json.loads(done.stdout)


def run_tests(build):
    """Runs what is to be counted; ends where a test fails, is skipped or isn't there."""
    known = json.loads(run(["meson", "introspect", "--tests", build]))
    pairs = {f"{suite.split(':')[-1]}:{test['name']}" for test in known for suite in test["suite"]}
    wanted = [pair for pair in pairs if pair.split(":")[0] in SUITES] + list(OTHERS)
    absent = set(OTHERS) - pairs | {suite for suite in SUITES if not any(p.startswith(suite + ":") for p in pairs)}
    if absent:
        sys.exit(f"no such tests: {', '.join(sorted(absent))}")
    # A child that is killed while it writes down its counts leaves a file that the next one complains about.
    env = {**os.environ, "GCOV_ERROR_FILE": str(build / "gcov-errors.txt")}
    suites = [word for suite in sorted({pair.split(":")[0] for pair in wanted}) for word in ("--suite", suite)]
    output = run(["meson", "test", "-C", build, "--no-rebuild", "--timeout-multiplier", "10", *suites,
                  *sorted({pair.split(":")[1] for pair in wanted})], env=env)
    if not re.search(r"^Skipped: +0", output, re.M):
        sys.exit(f"tests were skipped:\n{output[-6000:]}")


SAMPLE = """\
int sample(int x, int y);

int main(int argc, char **argv)
{
    (void)argv;
    return sample(argc, 0);
}
"""

# Line, fault: what has to be found, and nothing else.
SAMPLE_TESTED = """\
int sample(int x, int y);

int sample(int x, int y)
{
    if (x > 1000)
        y = 1;
    if (x > 1001)
        y = 2; /* unreachable: nobody passes so many arguments */
    if (x > 1002) {
        /* unreachable: */
        y = 3;
    }
    /* unreachable: this line runs, the tag is wrong */
    y++;
    if (x > 1003) { /* unreachable: nobody passes
                       so many arguments here either */
        y = 4;
        if (y > x)
            y = 5;
    }
    return x + y - 2; /* GCOVR_EXCL_LINE */
}
"""
SAMPLE_FAULTS = ["6: never ran", "10: a tag without a reason", "13: says unreachable",
                 "21: GCOVR_EXCL_LINE", "branches: 3 of 6"]


def control(gcovr, compiler):
    """Yields what is wrong with this script."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name).resolve()
        (folder / "main.c").write_text(SAMPLE)
        (folder / "sample.c").write_text(SAMPLE_TESTED)
        run([compiler, "--coverage", "-O0", "main.c", "sample.c", "-o", "sample"], cwd=folder)
        run(["./sample"], cwd=folder)
        faults = judge(report_of(gcovr, folder, folder, ["sample.c"]), folder).faults
    for wanted in SAMPLE_FAULTS:
        if not any(re.sub(r"^sample\.c:", "", fault).startswith(wanted) for fault in faults):
            yield f"control: not found in the sample: {wanted}"
    if len(faults) != len(SAMPLE_FAULTS):
        yield "control: found in the sample:\n" + "\n".join(faults)


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build-coverage").resolve()
    tools = {name: shutil.which(name) for name in ("gcovr", "gcov", "gcc", "meson", "ninja")}
    missing = [name for name, path in tools.items() if path is None]
    if missing:
        sys.exit(f"missing: {', '.join(missing)} (apt-get install gcovr gcc meson ninja-build)")
    faults = list(control(tools["gcovr"], tools["gcc"]))
    if faults:
        sys.exit("\n".join(faults))

    if not (build / "build.ninja").exists():
        run(["meson", "setup", build, *OPTIONS], cwd=ROOT, env={**os.environ, "CC": "gcc"})
    run(["ninja", "-C", build])
    for path in build.rglob("*.gcda"):
        path.unlink()
    run_tests(build)

    report = report_of(tools["gcovr"], ROOT, build, ["src/", "include/"])
    found = judge(report, ROOT)
    print("\n".join(found.untaken + found.faults))
    print(f"lines: {found.ran} of {found.lines} ran, {found.excused} can't by {found.tags} reasons given; "
          f"branches: {found.taken} of {found.branches} ({100 * found.taken / max(found.branches, 1):.1f} %)")
    sys.exit(1 if found.faults else 0)


if __name__ == "__main__":
    main()
