#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A parent project builds the library from source: subproject.py SOURCE_ROOT SANDBOX

Writes parents that have this source tree as their subproject, builds and runs them: one takes the variable resil_dep
and links the shared library, one asks for dependency('resil') and links the static one. The control is a parent that
takes a variable which doesn't exist.
"""

import os
import pathlib
import shlex
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent

PARENT = """project('parent', 'c', meson_version: '>=1.0.0')
dep = {}
test('app', executable('app', 'app.c', dependencies: dep, c_args: '-Werror'))
"""

# Name, how the parent finds the library, its kind.
PARENTS = (
    ("by_variable", "subproject('resil').get_variable('resil_dep')", "shared"),
    ("by_name", "dependency('resil')", "static"),
)


def attempt(meson, root, folder, dep, library):
    """Returns the first command that failed, with its output; None if all succeed."""
    (folder / "subprojects").mkdir(parents=True)
    (folder / "subprojects/resil").symlink_to(root, target_is_directory=True)
    (folder / "meson.build").write_text(PARENT.format(dep))
    shutil.copy(HERE / "app.c", folder / "app.c")
    build = str(folder / "build")
    for command in (
            ["setup", "--force-fallback-for=resil", f"-Dresil:default_library={library}", build, str(folder)],
            ["compile", "-C", build], ["test", "-C", build]):
        done = subprocess.run(meson + command, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            return f"$ meson {' '.join(command)}\n{done.stdout}{done.stderr}"
    if (folder / "build/subprojects/resil/tests").exists():
        return f"{folder}: the parent has to build our tests"
    return None


def main():
    root, sandbox = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    meson = shlex.split(os.environ.get("RESIL_TEST_MESON", "meson"))
    shutil.rmtree(sandbox, ignore_errors=True)
    for name, dep, library in PARENTS:
        failure = attempt(meson, root, sandbox / name, dep, library)
        if failure is not None:
            sys.exit(failure)
    failure = attempt(meson, root, sandbox / "control", "subproject('resil').get_variable('resil_no_dep')",
                      "shared")
    if failure is None or "resil_no_dep" not in failure:
        sys.exit(f"control: a parent without the variable was built\n{failure}")
    print("built and run as a subproject, shared and static")


main()
