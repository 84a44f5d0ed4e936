# SPDX-License-Identifier: BSD-2-Clause
"""What can go wrong in a line of C: the mutants of a source file.

A mutant replaces one line. The sources are formatted by clang-format, so that a binary operator has
a blank on both sides and a statement begins a line; that makes plain patterns enough.

Not touched: comments, strings, preprocessor lines, what stands outside of functions and tables,
assertions, and the calls that only cost or save time (back-off, prefetch).
"""

import collections
import re

Mutant = collections.namedtuple("Mutant", "path line operator index before after")

# Orders that neither an x86 processor nor the explorer tells apart: listed, but in no sample. See tests/README.md.
ORDER = "order"

# The same code on x86, but the explorer lets a relaxed store go ahead of those before it: only loom can tell.
RELEASE = "release"

TWINS = {
    "compare": {"<": ("<=",), "<=": ("<",), ">": (">=",), ">=": (">",), "==": ("!=",), "!=": ("==",)},
    "arithmetic": {"+": ("-",), "-": ("+",), "*": ("+",), "/": ("*",), "+=": ("-=",), "-=": ("+=",)},
    "bits": {"<<": (">>",), ">>": ("<<",), "|": ("&",), "&": ("|",), "|=": ("&=",), "&=": ("|=",)},
    "logic": {"&&": ("||",), "||": ("&&",)},
}
WORDS = {
    "minmax": (("resil__min", "resil__max"), ("resil__max", "resil__min"),
               ("resil__mul_div_up", "resil__mul_div"), ("resil__mul_div", "resil__mul_div_up"),
               ("resil__add_sat", "resil__sub_sat")),
    "logic": (("true", "false"), ("false", "true")),
    "atomic": tuple((f"resil__{what}_seq{bits}", f"resil__{what}{weak}{bits}")
                    for what, weak in (("store", "_release"), ("add", ""), ("sub", ""), ("cas", ""))
                    for bits in ("", "32")),
    ORDER: tuple((f"resil__{what}{bits}", f"resil__{weak}{bits}")
                 for what, weak in (("load_seq", "load_acquire"), ("load_acquire", "load_relaxed"),
                                    ("add", "add_relaxed"))
                 for bits in ("", "32")),
    RELEASE: tuple((f"resil__store_release{bits}", f"resil__store_relaxed{bits}") for bits in ("", "32")),
}
OPERATOR = re.compile(r"(?<= )(<<|>>|<=|>=|==|!=|&&|\|\||[-+|&]=|[-+*/<>|&])(?= |$)")
NUMBER = re.compile(r"(?<![\w.\"'])(0x[0-9a-fA-F]+|\d+)(?=[uU]?[lL]*(?![\w.]))")
REFUSAL = re.compile(r"\bRESIL_E[A-Z]+\b")
CONDITION = re.compile(r"\b(if|while) \(")
SWAP = re.compile(r"\b(resil__cas(?:_seq)?)((?:32)?)\(")
SKIPPED = re.compile(r"\bassert\(|static_assert|_Static_assert|resil__contend|RESIL__CONTEND|prefetch|"
                     r"__attribute__|resil__chaos|resil__pause")
DECLARES = re.compile(r"(?:const |static |register )*(?:struct |enum |union )?[A-Za-z_]\w*(?: const)?(?: \**| )"
                      r"[A-Za-z_]\w*(?:\[[^]]*\])?(?: = .*)?;$")
LEAVES = re.compile(r"(?:return\b.*|break|continue|goto \w+);$")


def bare(text):
    """The text with comments and what stands in quotes blanked out, every character in its place."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found.group(0)), text)


def closing(text, at):
    """Where the bracket closes that opens at `at`; -1 when not in this line."""
    depth = 0
    for place in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return -1


def swaps(code):
    """A swap that doesn't compare: it stores, and says that it did."""
    for found in SWAP.finditer(code):
        start = found.end() - 1
        end = closing(code, start)
        parts, depth, last = [], 0, start + 1
        for place in range(start + 1, max(end, start + 1)):
            depth += {"(": 1, ")": -1}.get(code[place], 0)
            if code[place] == "," and depth == 0:
                parts.append(code[last:place])
                last = place + 1
        if end >= 0 and len(parts) == 2:
            value = code[last:end].strip()
            new = f"(resil__store_release{found.group(2)}({parts[0].strip()}, {value}), true)"
            yield found.start(), end + 1, new


def spots(code):
    """Yields (operator, start, end, replacement) of what may be replaced inside of a line."""
    for found in OPERATOR.finditer(code):
        for name, twins in TWINS.items():
            for twin in twins.get(found.group(0), ()):
                yield name, found.start(), found.end(), twin
    for name, pairs in WORDS.items():
        for old, new in pairs:
            for found in re.finditer(rf"\b{old}\b", code):
                yield name, found.start(), found.end(), new
    for found in re.finditer(r"\+\+|--", code):
        yield "arithmetic", found.start(), found.end(), "--" if found.group(0) == "++" else "++"
    for found in NUMBER.finditer(code):
        if code[max(0, found.start() - 1):found.end() + 1] == "{0}":
            continue
        value = int(found.group(0), 0)
        yield "off by one", found.start(), found.end(), str(value + 1)
        if value > 0:
            yield "off by one", found.start(), found.end(), str(value - 1)
    for found in REFUSAL.finditer(code):
        new = "RESIL_EBUSY" if found.group(0) == "RESIL_EINVAL" else "RESIL_EINVAL"
        yield "status", found.start(), found.end(), new
    for found in CONDITION.finditer(code):
        end = closing(code, found.end() - 1)
        if end >= 0:
            inner = code[found.end():end]
            yield "negate", found.end(), end, f"!({inner})"
    for found in re.finditer(r"(?<![\w!])!(?=[\w(])", code):
        yield "negate", found.start(), found.end(), ""
    for start, end, new in swaps(code):
        yield "atomic", start, end, new


def begins(code, before):
    """True if the line is one whole statement; before is the code line above it."""
    if not code.endswith(";") or code.count("(") != code.count(")") or code.count("{") != code.count("}"):
        return False
    return before[-1:] in ";{}:)" or before.endswith(("else", "do")) or before == ""


def dropped(code, before):
    """The operator that leaves this line out, or None."""
    code = code.strip()
    if not begins(code, before.strip()) or code.startswith(("case ", "default", "}", "for ", "while ")):
        return None
    if LEAVES.match(code):
        # The last statement of a function isn't early.
        return "drop exit"
    if re.match(r"(\(void\))?resil__(store|add|sub|or|xchg|cas)", code):
        return "drop atomic"
    if DECLARES.match(code):
        return None
    if re.search(r" ([-+|&*/]|<<|>>)?= |\+\+|--", code):
        return "drop store"
    return "drop call" if re.match(r"(\(void\))?[\w>.-]+\(.*\);$", code) else None


def in_bodies(lines):
    """For each line whether it lies within braces, and is no preprocessor line."""
    depth, joined = 0, False
    for line in lines:
        directive = joined or line.lstrip().startswith("#")
        joined = directive and line.endswith("\\")
        yield depth > 0 and not directive
        if not directive:
            depth += line.count("{") - line.count("}")


def tables(lines):
    """For each line whether it stands in what declares: a struct, a union, an enum."""
    inside = False
    for line in lines:
        if re.match(r"(?:typedef )?(?:struct|union|enum)(?: \w+)? \{$", line):
            inside = True
        yield inside
        if line.startswith("}"):
            inside = False


def mutants(path, text):
    """Every mutant of a file, in the order of its lines."""
    lines = text.split("\n")
    codes = [line.rstrip() for line in bare(text).split("\n")]
    found, before = [], ""
    for number, (line, code, body, declares) in enumerate(
            zip(lines, codes, in_bodies(codes), tables(codes)), 1):
        if not code.strip():
            continue
        above, before = before, code
        if not body or declares or SKIPPED.search(code) or code.strip() in "{}":
            continue
        seen = collections.Counter()

        def add(operator, after, number=number, line=line, seen=seen):
            found.append(Mutant(path, number, operator, seen[operator], line, after))
            seen[operator] += 1

        for operator, start, end, new in spots(code):
            add(operator, line[:start] + new + line[end:])
        operator = dropped(code, above)
        last = operator == "drop exit" and codes[number:number + 1] == ["}"]
        if operator is not None and not last:
            indent = line[:len(line) - len(line.lstrip())]
            add(operator, indent + ";")
    return found
