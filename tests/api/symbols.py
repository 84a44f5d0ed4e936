#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the library exports is what its headers declare: symbols.py NM LIBRARY MAP HEADER...

Three lists must be equal: the functions declared with RESIL_API, the dynamic symbols, and the names in the linker
map, which has no wildcard but for what is local.
"""

import pathlib
import re
import subprocess
import sys


def declared(text):
    """The functions that a header declares with RESIL_API, and faults: others that it only declares."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
    text = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)
    text = re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", "", text, flags=re.M)
    text = re.sub(r"\bRESIL_(BEGIN|END)_DECLS\b", " ", text)
    depth, statement, names, faults = 0, "", set(), []
    for char in text:
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0 and "(" in statement:
                statement = ""  # the body of a static inline function ends without a semicolon
        elif depth == 0:
            if char != ";":
                statement += char
                continue
            if "(" in statement and "typedef" not in statement.split():
                name = re.search(r"\b(resil_\w+)\s*\(", statement.replace("__attribute__", ""))
                if name is None or "RESIL_API" not in statement:
                    faults.append("declared without RESIL_API: " + " ".join(statement.split()))
                else:
                    names.add(name.group(1))
            elif "RESIL_API" in statement:
                faults.append("not a function: " + " ".join(statement.split()))
            statement = ""
    return names, faults


def mapped(text):
    """The names that a linker map makes global, wildcards included."""
    text = re.sub(r"/\*.*?\*/|#[^\n]*", " ", text, flags=re.S)
    names = set()
    for body in re.findall(r"\{(.*?)\}", text, flags=re.S):
        visible = "global"
        for part in re.split(r"[;\s]+", body):
            if part in ("global:", "local:"):
                visible = part[:-1]
            elif part and visible == "global":
                names.add(part)
    return names


def exported(text):
    """The names and versions in the output of nm -D."""
    found = {}
    for line in text.splitlines():
        parts = line.split()
        if len(parts) >= 3 and parts[-2] != "A":
            name, _, version = parts[-1].partition("@")
            found[name] = version.lstrip("@")
    return found


def compare(declares, exports, maps):
    """Yields what doesn't agree."""
    for name in sorted(declares - set(exports)):
        yield f"{name} is declared and not exported"
    for name in sorted(set(exports) - declares):
        yield f"{name} is exported and not declared"
    for name, version in sorted(exports.items()):
        if not version:
            yield f"{name} has no version"
        if name not in maps:
            yield f"{name} is exported and not in the map"
    for name in sorted(maps - declares):
        yield f"{name} is in the map and not declared"


def controls():
    """Yields what this script itself gets wrong."""
    header = '''
#define RESIL_MACRO(x) \\
    int resil_not_this(void);
RESIL_BEGIN_DECLS
struct resil_a { int (*op)(void); };
enum resil_b { RESIL_B = 1 };
typedef int resil_fn(void *arg);
/** RESIL_API int resil_comment(void); */
RESIL_API const struct resil_a *resil_one(int x,
                                          resil_fn *fn);
static inline int resil_two(void) { return resil_one(1, 0) != 0; }
RESIL_API int resil_three(void);
RESIL_END_DECLS
'''
    if declared(header) != ({"resil_one", "resil_three"}, []):
        yield f"control: read {declared(header)}"
    if not declared("int resil_hidden(void);")[1] or not declared("extern RESIL_API int resil_data;")[1]:
        yield "control: a declaration without RESIL_API, or of data, passed"
    if mapped("V_1 { global: a; /* b; */ c; local: *; };\nV_2 { global: d; } V_1;") != {"a", "c", "d"}:
        yield "control: the map was misread"
    found = exported("0000 A V_1\n0010 T a@@V_1\n0020 T b\n")
    if found != {"a": "V_1", "b": ""}:
        yield f"control: nm was misread: {found}"
    good = ({"a"}, {"a": "V_1"}, {"a"})
    bad = (
        ({"a", "b"}, {"a": "V_1"}, {"a", "b"}),
        ({"a"}, {"a": "V_1", "b": "V_1"}, {"a", "b"}),
        ({"a"}, {"a": "V_1"}, {"a", "b"}),
        ({"a", "b"}, {"a": "V_1", "b": "V_1"}, {"a"}),
        ({"a"}, {"a": ""}, {"a"}),
        ({"a"}, {"a": "V_1"}, {"*"}),
    )
    if list(compare(*good)):
        yield "control: what agrees was refused"
    for sample in bad:
        if not list(compare(*sample)):
            yield f"control: passed {sample}"


def main():
    nm, library, map_file, *headers = sys.argv[1:]
    faults = list(controls())
    declares = set()
    for header in headers:
        names, wrong = declared(pathlib.Path(header).read_text())
        declares |= names
        faults += [f"{header}: {fault}" for fault in wrong]
    output = subprocess.run([nm, "-D", "--defined-only", library], text=True, capture_output=True, check=True)
    exports = exported(output.stdout)
    faults += compare(declares, exports, mapped(pathlib.Path(map_file).read_text()))
    if not exports:
        faults.append("nothing is exported")
    print("\n".join(faults) or f"{len(exports)} functions declared, exported and in the map")
    return bool(faults)


sys.exit(main())
