# SPDX-License-Identifier: BSD-2-Clause
"""Where mutants are built and run: copies of the tree with build folders of their own.

The test programs of a line are those that executed it in a build with gcov, one run per program.
"""

import hashlib
import json
import os
import pathlib
import resource
import shutil
import subprocess

SUITES = ("unit", "model", "loom", "fuzz")
# They open sockets, watch files or are about hash tables of the balancer alone: slow, and not the core.
LEFT_OUT = ("prober", "fault_", "file_resolver", "hash_tables", "hash_shares", "rendezvous")
OPTIONS = ("-Ddefault_library=static", "-Ddebug=false", "-Dexamples=false", "-Dbench=false")


def nice(command, timeout=None, **more):
    """Runs a command at the lowest priority. None: it ran into the timeout."""
    try:
        return subprocess.run(["nice", "-n", "19", *map(str, command)], text=True, capture_output=True,
                              errors="replace", timeout=timeout, check=False, stdin=subprocess.DEVNULL, **more)
    except subprocess.TimeoutExpired:
        return None


def must(command, **more):
    done = nice(command, **more)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


class Bench:
    """A copy of the tree and its build folder."""

    def __init__(self, root, folder, options, suites=SUITES):
        self.root = root
        self.suites = suites
        self.tree = folder / "tree"
        self.build = folder / "build"
        self.options = options
        self.broken = None  # (path, text as it was)

    def prepare(self, programs=()):
        """Brings the copy up to date and builds it, or these programs of it."""
        listed = must(["git", "-C", self.root, "ls-files", "-co", "--exclude-standard"]).split("\n")
        listed = {name for name in listed if name and (self.root / name).is_file()}
        for old in list(self.tree.rglob("*")):
            if old.is_file() and str(old.relative_to(self.tree)) not in listed:
                old.unlink()
        for name in sorted(listed):
            old = self.tree / name
            text = (self.root / name).read_bytes()
            if not old.is_file() or old.read_bytes() != text:
                old.parent.mkdir(parents=True, exist_ok=True)
                old.write_bytes(text)
                shutil.copymode(self.root / name, old)
        if not (self.build / "build.ninja").exists():
            must(["meson", "setup", self.build, self.tree, *OPTIONS, *self.options])
        if not programs and self.suites != SUITES:
            programs = sorted({program for program, _, _ in self.tests().values()})
        must(["ninja", "-C", self.build, "-j2", *programs])

    def tests(self):
        """{name: (program, arguments, environment)} of what is run."""
        found = {}
        for test in json.loads(must(["meson", "introspect", self.build, "--tests"])):
            suite = test["suite"][0].split(":")[-1]
            control = suite == "fuzz" and test["name"].endswith("_control")
            if suite in self.suites and not test["name"].startswith(LEFT_OUT) and not control:
                command = test["cmd"]
                found[f"{suite}/{test['name']}"] = (os.path.relpath(command[0], self.build), command[1:],
                                                    test["env"])
        return found

    def write(self, path, text):
        """Breaks a file; one at a time."""
        if self.broken is None or self.broken[0] != path:
            self.mend()
            self.broken = path, (self.tree / path).read_text()
        (self.tree / path).write_text(text)

    def mend(self):
        """Takes the mutant out of the copy again."""
        if self.broken is not None:
            (self.tree / self.broken[0]).write_text(self.broken[1])
            self.broken = None

    def make(self, programs):
        return nice(["ninja", "-C", self.build, "-j2", *programs]).returncode == 0

    def run(self, test, timeout):
        """True: passed. False: failed. None: timeout."""
        program, arguments, environment = test
        done = nice([self.build / program, *arguments], timeout=timeout, cwd=self.build,
                    env={**os.environ, **environment})
        return None if done is None else done.returncode == 0

    def same_code(self, path, text):
        """True if the compiler makes the same of the mutant at -O2: nobody can tell them apart. Of a header only if
        the preprocessor takes the line out."""
        database = json.loads((self.build / "compile_commands.json").read_text())
        header = path.endswith(".h")
        commands = [entry for entry in database if "libresil" in entry["output"] and
                    (header or entry["file"].endswith("/" + path))]
        if not commands:
            return False
        made = []
        for new in (self.broken[1], text):
            (self.tree / path).write_text(new)
            words = commands[0]["command"].split(" -o ")[0].split() + ["-w", "-MF", "twin.d", "-o", "twin.o"]
            words += ["-E", "-P", "-x", "c", self.tree / path] if header else ["-O2", "-c", commands[0]["file"]]
            made.append(nice(words, cwd=self.build).returncode == 0 and (self.build / "twin.o").read_bytes())
        return made[0] is not False and made[0] == made[1]


def seconds_used():
    """The processor time of all children so far: a busy machine doesn't make a program a slow one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def lines_run(bench):
    """{path: lines} of what left its traces in the coverage build."""
    traces = sorted(bench.build.rglob("*.gcda"))
    lines = {}
    for start in range(0, len(traces), 50):
        part = [trace.relative_to(bench.build) for trace in traces[start:start + 50]]
        for text in must(["gcov", "--json-format", "--stdout", *part], cwd=bench.build).split("\n"):
            for file in json.loads(text)["files"] if text.startswith("{") else ():
                path = os.path.relpath(os.path.join(bench.build, file["file"]), bench.tree)
                if path.startswith(("src/", "include/")):
                    run = lines.setdefault(path, [set(), set()])
                    run[0].update(line["line_number"] for line in file["lines"])
                    run[1].update(line["line_number"] for line in file["lines"] if line["count"])
    for trace in traces:
        trace.unlink()
    return {path: [sorted(code), sorted(run)] for path, (code, run) in lines.items()}


class Map:
    """Which programs run a line. Kept in a file; a program that didn't change isn't run again."""

    def __init__(self, bench, kept):
        known = json.loads(kept.read_text()) if kept.exists() else {}
        self.of = {}
        for trace in bench.build.rglob("*.gcda"):
            trace.unlink()
        for name, test in bench.tests().items():
            # What is compiled as it was has the same bytes: gcov's stamps come from the compiler's run.
            stamp = hashlib.sha256((bench.build / test[0]).read_bytes()).hexdigest()
            if known.get(name, [""])[0] != stamp:
                bench.run(test, 600)
                known[name] = [stamp, lines_run(bench)]
                kept.write_text(json.dumps(known))
            self.of[name] = known[name][1]
        self.code = {}
        for seen in self.of.values():
            for path, (code, _) in seen.items():
                self.code.setdefault(path, set()).update(code)

    def tests(self, path, line, in_function):
        """The programs that run the statement of this line; in a table: any line of its file."""
        code = self.code.get(path, ())
        lines = {max((at for at in code if at <= line), default=0)}
        if not in_function or lines == {0}:
            return {name for name, seen in self.of.items() if seen.get(path, ((), ()))[1]}
        if line not in lines:  # inside of a statement, or a call of what is inline: then the next one is nearer
            lines.add(min((at for at in code if at > line), default=0))
        return {name for name, seen in self.of.items() if lines & set(seen.get(path, ((), ()))[1])}


class Judge:
    """Runs mutants on a bench, the cheapest programs first."""

    def __init__(self, bench, cover, budget_s):
        self.bench, self.cover, self.budget_s = bench, cover, budget_s
        self.tests, self.seconds = bench.tests(), {}

    def baseline(self, kept):
        """What every program costs, and that it passes, when nothing is broken."""
        known = json.loads(kept.read_text()) if kept.exists() else {}
        for name, test in self.tests.items():
            stamp = hashlib.sha256((self.bench.build / test[0]).read_bytes()).hexdigest()
            if known.get(name, [""])[0] != stamp:
                start = seconds_used()
                if not self.bench.run(test, 600):
                    raise SystemExit(f"{name} fails with nothing broken")
                known[name] = [stamp, seconds_used() - start]
                kept.write_text(json.dumps(known))
            self.seconds[name] = known[name][1]

    def order(self, path, tests):
        """Programs of the same noun first, then by time, up to the budget."""
        stem = pathlib.PurePath(path).stem.split("_")[0]
        spent = 0
        for name in sorted(tests, key=lambda name: (self.seconds[name] > 1, stem not in name, self.seconds[name])):
            spent += self.seconds[name]
            if spent <= self.budget_s:
                yield name

    def judge(self, path, text, line, in_function, tests=None, suite=""):
        """(verdict, by): killed, timeout, survived, uncovered, invalid or same. With a suite by its programs alone,
        whatever the compiler makes of it."""
        self.bench.write(path, text)
        chosen = list(self.order(path, {name for name in self.cover.tests(path, line, in_function)
                                        if name.startswith(suite)} if tests is None else tests))
        size, done, verdict = 3, 0, ("survived" if chosen else "uncovered", "")
        while done < len(chosen):
            batch = chosen[done:done + size]
            if not self.bench.make([self.tests[name][0] for name in batch]):
                return "invalid", ""
            for name in batch:
                # With a store that may overtake, the explorer has more to explore.
                passed = self.bench.run(self.tests[name], (120 if suite else 10) + 20 * self.seconds[name])
                if not passed:
                    return "timeout" if passed is None else "killed", name
            done, size = done + size, size * 2
        if tests is None and not suite and self.bench.same_code(path, text):
            return "same", ""
        return verdict
