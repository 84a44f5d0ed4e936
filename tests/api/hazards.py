#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds tests/hazards.md to what it says: hazards.py ROOT

Each `room/program: case` names a program of the tests and something that stands in it. Each hazard has a number, in
order, and breaks.txt a line that brings it back, which stands in the sources, or a reason why not (tests/gates/break
applies them). Controls first: a case, a program and a line that don't exist have to be found.
"""

import pathlib
import re
import sys

sys.dont_write_bytecode = True  # no __pycache__ in the tree
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "gates"))
import break_list  # noqa: E402

FILES = {"unit": "unit/test_{}.c", "sim": "sim/test_{}.c", "model": "model/model_{}.c", "torture": "torture/torture_{}.c",
         "faults": ("faults/faults_{}.c", "faults/{}.c"), "fuzz": "fuzz/fuzz_{}.c", "api": ("api/{}.py", "api/{}.c")}
NAMED = re.compile(r"`([a-z]+)/(\w+)(?:: (\w+))?`")


def judge(tests, room, program, case):
    """None, or what is wrong with this name."""
    patterns = FILES.get(room, ())
    for pattern in (patterns,) if isinstance(patterns, str) else patterns:
        path = tests / pattern.format(program)
        if path.exists():
            if case is None or re.search(rf"\b{case}\b", path.read_text()):
                return None
            return f"{room}/{program} has no {case}"
    return f"there is no {room}/{program}"


def main():
    root = pathlib.Path(sys.argv[1])
    tests = root / "tests"
    text = (tests / "hazards.md").read_text()
    if not judge(tests, "unit", "breaker", "nobody_wrote_this") or not judge(tests, "unit", "nowhere", None):
        sys.exit("control: what isn't there was not missed")
    try:
        entry = break_list.read_block(["1 unit/breaker: case", "src/base/math.c", "- nobody wrote this", "+ nor this", "why"])
        break_list.apply((root / entry.path).read_text(), entry)
        sys.exit("control: a line that isn't there was not missed")
    except break_list.Fault:
        pass
    table = text.split("## Broken on purpose")[0]
    numbers = [int(number) for number in re.findall(r"^\| (\d+) \|", table, re.M)]
    faults = [] if numbers == list(range(1, len(numbers) + 1)) else ["the numbers are out of order"]
    names = NAMED.findall(text)
    faults += filter(None, (judge(tests, room, program, case or None) for room, program, case in names))
    faults += break_list.check(root)
    print("\n".join(faults) or f"{len(numbers)} hazards, {len(names)} tests")
    sys.exit(1 if faults or not numbers else 0)


main()
