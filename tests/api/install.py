#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a user does after `meson install`: install.py BUILD SANDBOX VERSION SOVERSION SANITIZE CC CXX READELF

Installs BUILD into a DESTDIR below SANDBOX and builds app.c by name, by pkg-config and statically, as C and as C++. The paths that
/usr/local would give for nothing come from the environment, so that the command lines are the user's own.
"""

import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


class Failed(Exception):
    """A promise that was not kept."""


def run(command, env=None, shell=False):
    """Runs a command and returns what it printed, or fails with it."""
    done = subprocess.run(command, env=env, shell=shell, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise Failed(f"$ {command}\nexit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def expect(holds, what):
    if not holds:
        raise Failed(what)


def refused(command, env):
    """Negative control: the command has to fail."""
    try:
        run(command, env, shell=True)
    except Failed:
        return
    raise Failed(f"control: this should have failed: {command}")


def check_flags(cflags, libs, libs_static):
    """Fails when the flags of pkg-config carry anything but paths and libraries of ours."""
    for flag in cflags.split():
        expect(flag.startswith("-I"), f"a user would get {flag} in his compiler flags")
    expect("-lresil" in libs.split() and "-lck" not in libs.split(), f"libs: {libs}")
    expect({"-lresil", "-lck"} <= set(libs_static.split()), f"libs of a static link: {libs_static}")


def check_hardening(readelf, library, sanitized):
    dynamic = run([readelf, "-dW", library])
    segments = run([readelf, "-lW", library])
    for tag in ("NOW", "NODELETE"):
        expect(tag in dynamic, f"{library} is not linked with -z {tag.lower()}")
    expect("TEXTREL" not in dynamic and "RPATH" not in dynamic and "RUNPATH" not in dynamic,
           f"{library} has text relocations or a run path")
    expect("GNU_RELRO" in segments, f"{library} has no relro segment")
    stack = [line for line in segments.splitlines() if "GNU_STACK" in line]
    expect(stack and "RWE" not in stack[0], f"{library} asks for an executable stack")
    expect("libck" not in dynamic, f"{library} needs libck at run time")
    if not sanitized:
        needed = [line.split("[")[1].rstrip("]") for line in dynamic.splitlines() if "(NEEDED)" in line]
        expect(all(name.startswith(("libc.so", "ld-linux", "libpthread", "libatomic")) for name in needed),
               f"{library} needs {needed}")


def controls():
    """What this script itself must tell apart."""
    for bad in (("-I/x -D__x86_64__", "-lresil", "-lresil -lck"), ("-I/x", "-lresil -lck", "-lresil -lck"),
                ("-I/x", "-lresil", "-lresil")):
        try:
            check_flags(*bad)
        except Failed:
            continue
        raise Failed(f"control: passed {bad}")
    check_flags("-I/x", "-L/y -lresil", "-L/y -lresil -lck -pthread")


def main():
    build, sandbox, version, soversion, sanitize, cc, cxx, readelf = sys.argv[1:9]
    sandbox = pathlib.Path(sandbox)
    shutil.rmtree(sandbox, ignore_errors=True)
    dest = sandbox / "dest"
    meson = shlex.split(os.environ.get("RESIL_TEST_MESON", "meson"))
    run(meson + ["install", "-C", build, "--no-rebuild", "--quiet", "--destdir", str(dest)])

    options = {option["name"]: option["value"] for option in
               json.loads(run(meson + ["introspect", build, "--buildoptions"]))}
    prefix = pathlib.Path(options["prefix"])
    inside = dest / prefix.relative_to("/")
    include, lib = inside / options["includedir"], inside / options["libdir"]
    shared, static = lib / "libresil.so", lib / "libresil.a"

    headers = sorted(path.name for path in (include / "resil").iterdir())
    expect(headers == sorted([path.name for path in (HERE / "../../include/resil").resolve().glob("*.h")]
                             + ["version.h"]), f"installed headers: {headers}")
    sanitized = sanitize != "none"
    flags = [f"-fsanitize={sanitize}"] if sanitized else []
    cc, cxx = (" ".join(shlex.quote(word) for word in shlex.split(command) + flags) for command in (cc, cxx))

    # As if installed into /usr/local: the compiler, the loader and pkg-config look there by themselves.
    plain = {**os.environ, "PKG_CONFIG_LIBDIR": str(lib / "pkgconfig"), "PKG_CONFIG_PATH": "",
             "PKG_CONFIG_SYSROOT_DIR": str(dest),
             "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1", "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1"}
    found = {**plain, "CPATH": str(include), "LIBRARY_PATH": str(lib)}
    loads = {**os.environ, "LD_LIBRARY_PATH": str(lib)}
    shutil.copy(HERE / "app.c", sandbox / "app.c")
    shutil.copy(HERE / "app.c", sandbox / "app.cc")
    os.chdir(sandbox)

    controls()
    ask = "pkg-config --{} resil"
    expect(run(ask.format("modversion"), plain, shell=True).strip() == version, "resil.pc has another version")
    text = (lib / "pkgconfig/resil.pc").read_text()
    expect("Requires" not in text, f"resil.pc requires another package:\n{text}")
    libs = run(ask.format("libs"), plain, shell=True)
    libs_static = run(ask.format("libs --static"), plain, shell=True)
    if shared.exists():
        check_flags(run(ask.format("cflags"), plain, shell=True), libs, libs_static)
        expect(os.readlink(shared) == f"libresil.so.{soversion}", "libresil.so is no link to the soname")
        expect(os.readlink(lib / f"libresil.so.{soversion}") == f"libresil.so.{version}", "the soname's link")
        expect(f"soname: [libresil.so.{soversion}]" in run([readelf, "-dW", str(shared)]), "the soname")
        check_hardening(readelf, str(shared), sanitized)

        run(f"{cc} app.c -o by_name -lresil", found, shell=True)
        run(f"{cc} app.c -o by_pc $(pkg-config --cflags --libs resil)", plain, shell=True)
        run(f"{cxx} app.cc -o by_cxx $(pkg-config --cflags --libs resil)", plain, shell=True)
        refused(f"{cc} app.c -o nowhere -lresil", plain)
        for program in ("by_name", "by_pc", "by_cxx"):
            expect(f"libresil.so.{soversion}" in run([readelf, "-dW", program]), f"{program} is not dynamic")
            expect(run(["./" + program], loads).strip() == version, f"{program} runs with another version")
    if static.exists():
        # A sanitizer's runtime can't be linked with -static: there only our own library is static.
        if shared.exists() and sanitized:
            for path in lib.glob("libresil.so*"):
                path.unlink()
        full = "" if sanitized else "-static"
        run(f"{cc} {full} app.c -o static $(pkg-config --static --cflags --libs resil)", plain, shell=True)
        expect("libresil" not in run([readelf, "-dW", "static"]), "the static program needs the shared library")
        expect(run(["./static"]).strip() == version, "the static program runs with another version")
    expect(shared.exists() or static.exists(), "no library was installed")
    print(f"{version} installs and links: shared {shared.exists()}, static {static.exists()}")


try:
    main()
except Failed as failed:
    sys.exit(str(failed))
