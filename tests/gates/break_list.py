# SPDX-License-Identifier: BSD-2-Clause
"""Reads breaks.txt, and holds it to the sources and to hazards.md as they stand.

A block of the list, blocks being apart by an empty line:

    1 3 model/breaker_interleavings: second_trip_is_not_taken_for_the_first
    src/breaker/breaker_record.c
    @ static void judge_and_trip(
    - a line as it stands
    + what stands in its place; none = nothing does
    What the mistake is, in words.

The first line names the hazards and who must find them, several with commas between: a case of a program, with `hangs`
behind it if it may do so by not coming to its end, or `build: TEXT` if it isn't to compile, with TEXT in what the
compiler says. The lines that
go stand in the file once, or first behind the line that @ names; several in a row are one piece, and there may be
several pieces. `NUMBERS none` is followed by the reason why these hazards have no break, and `control` in the place of
the numbers says that nobody may find this one.
"""

import pathlib
import re
import typing

NAMED = re.compile(r"`([a-z]+/\w+)(?:: (\w+))?`")
HEAD = re.compile(r"(control|[\d ]*\d) ([^\d ].*)")
FINDER = re.compile(r"(none|build|[a-z]+/\w+)(?:: (.+?))?( hangs)?")


class Fault(Exception):
    """Something in the list that isn't so, or not any more."""


class Finder(typing.NamedTuple):
    test: str       # room/program, build, or none
    case: str       # None: whatever the program says; of build: the text
    hangs: bool

    def name(self):
        return self.test if self.case is None else f"{self.test}: {self.case}"


class Break(typing.NamedTuple):
    hazards: tuple  # numbers; () is a control
    finders: tuple  # () is a reason why there is no break
    path: str
    pieces: tuple   # (context, lines that go, lines that come)
    why: str

    def name(self):
        return " ".join(map(str, self.hazards)) or "control"


def find(lines, wanted, what):
    """Where these lines begin, which must be at one place."""
    size = len(wanted)
    found = [i for i in range(len(lines) - size + 1) if [line.strip() for line in lines[i:i + size]] == wanted]
    if len(found) != 1:
        raise Fault(f"{what}, {len(found)} times there: {wanted[0]}")
    return found[0]


def behind(lines, context, what):
    """The number of the line that begins like this, which must be one."""
    found = [i for i, line in enumerate(lines) if line.strip().startswith(context)]
    if len(found) != 1:
        raise Fault(f"{what}, {len(found)} times there: {context}")
    return found[0]


def apply(text, entry):
    """The text of a file as this break makes it."""
    lines = text.split("\n")
    for context, gone, come in entry.pieces:
        where = f"{entry.path} ({entry.name()})"
        if context:
            start = behind(lines, context, where)
            stop = next((i for i in range(start, len(lines)) if lines[i] == "}"), len(lines))
            at = start + find(lines[start:stop], gone, where)
        else:
            at = find(lines, gone, where)
        indent = lines[at][:len(lines[at]) - len(lines[at].lstrip())]
        lines[at:at + len(gone)] = [indent + line for line in come]
    return "\n".join(lines)


def read_block(lines):
    head = HEAD.fullmatch(lines[0])
    if head is None:
        raise Fault(f"not numbers and a test: {lines[0]}")
    numbers, names = head.groups()
    hazards = () if numbers == "control" else tuple(map(int, numbers.split()))
    if names == "none":
        return Break(hazards, (), "", (), " ".join(lines[1:]))
    found = [FINDER.fullmatch(name) for name in names.split(", ")]
    if not all(found):
        raise Fault(f"not a test: {lines[0]}")
    pieces, why = [], []
    for line in lines[2:]:
        mark, rest = line[:2], line[2:].strip()
        if mark == "@ ":
            pieces.append((rest, [], []))
        elif mark == "- ":
            if not pieces or pieces[-1][2]:
                pieces.append((None, [], []))
            pieces[-1][1].append(rest)
        elif mark == "+ ":
            pieces[-1][2].append(rest)
        else:
            why.append(line.strip())
    if not why or not pieces or any(not gone for _, gone, _ in pieces):
        raise Fault(f"not lines that go, and a reason: {lines[0]}")
    finders = tuple(Finder(name[1], name[2], bool(name[3])) for name in found)
    return Break(hazards, finders, lines[1].strip(), tuple(pieces), " ".join(why))


def read(root):
    found = []
    for block in (pathlib.Path(root) / "tests/gates/breaks.txt").read_text().split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith("#")]
        if lines:
            found.append(read_block(lines))
    return found


def hazards(root):
    """{number: (what it is, {(program, case) that find it})} of the tables in hazards.md."""
    table = (pathlib.Path(root) / "tests/hazards.md").read_text().split("## Broken on purpose")[0]
    rows = re.findall(r"^\| (\d+) \| (.*?) \| (.*) \|$", table, re.M)
    return {int(number): (what, {(test, case or None) for test, case in NAMED.findall(tests)})
            for number, what, tests in rows}


def totals(known, entries):
    """What there is, in one sentence; hazards.md says the same."""
    breaks = [entry for entry in entries if entry.finders and entry.hazards]
    broken = {number for entry in breaks for number in entry.hazards}
    named = {(number, *test) for number, (_, tests) in known.items() for test in tests}
    asked = {(number, finder.test, finder.case) for entry in breaks for number in entry.hazards
             for finder in entry.finders}
    return f"{len(broken)} of {len(known)} hazards are brought back by {len(breaks)} breaks; of the {len(named)} names " \
        f"of tests above {len(named & asked)} find one"


def check(root):
    """What is wrong with the list: lines of text."""
    root = pathlib.Path(root)
    known, faults, seen = hazards(root), [], {}
    try:
        entries = read(root)
    except Fault as fault:
        return [f"breaks.txt: {fault}"]
    for entry in entries:
        for number in entry.hazards:
            if number not in known:
                faults.append(f"breaks.txt: there is no hazard {number}")
                continue
            faults += [f"hazards.md doesn't say that {finder.name()} finds {number}" for finder in entry.finders
                       if finder.test != "build" and (finder.test, finder.case) not in known[number][1]]
            if seen.setdefault(number, bool(entry.finders)) != bool(entry.finders):
                faults.append(f"breaks.txt: {number} has a break, and a reason for none")
        try:
            if entry.finders:
                apply((root / entry.path).read_text(), entry)
        except (Fault, OSError) as fault:
            faults.append(f"breaks.txt: {fault}")
    faults += [f"breaks.txt: neither a break of {number} nor a reason why there is none"
               for number in known if number not in seen]
    if sum(not entry.hazards for entry in entries) < 2:
        faults.append("breaks.txt: too few controls")
    if totals(known, entries) not in (root / "tests/hazards.md").read_text().replace("\n", " "):
        faults.append(f"hazards.md says something else than: {totals(known, entries)}")
    return faults
