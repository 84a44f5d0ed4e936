#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# How large the library is, and how long it takes to build and to link: prints the table of README.md.
#
#     bench/size.sh
#
# Builds in build-size/, as a release.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build-size
cc=${CC:-cc}

# Milliseconds that a command takes.
timed() {
    start=$(date +%s%N)
    "$@" >/dev/null
    echo $((($(date +%s%N) - start) / 1000000))
}

least() {
    sort -n | head -1
}

rm -rf "$build"
CC=$cc meson setup "$build" "$root" -Dbuildtype=release -Dtests=false -Dexamples=false -Dbench=false >/dev/null
build_ms=$(timed ninja -C "$build" -j2)
library=$(find "$build/src" -name 'libresil.so.*.*.*' -type f)
link_ms=$(for _ in 1 2 3 4 5; do
    rm "$library"
    timed ninja -C "$build" "src/$(basename "$library")"
done | least)

# The core: what one peer's chain can be made of, without keyed, balancer, resolvers and what drives these. It has to
# stand alone.
core=$build/core.so
set --
for room in base platform outcome window breaker limiter retry bulkhead chain policy; do
    for object in "$library".p/"${room}"_*.o; do
        case ${object##*/} in
        *keyed* | *balancer* | *guard*) ;;
        *) set -- "$@" "$object" ;;
        esac
    done
done
"$cc" -shared -Wl,--no-undefined -Wl,-z,relro -Wl,-z,now -o "$core" "$@" -lck -pthread

row() {
    strip -o "$build/stripped" "$2"
    # shellcheck disable=SC2046 # words
    set -- "$1" $(size "$2" | tail -1) "$(stat -c %s "$build/stripped")"
    echo "| $1 | $2 | $3 | $4 | $8 |"
}
echo '| bytes | text | data | bss | file, stripped |'
echo '|---|---:|---:|---:|---:|'
# shellcheck disable=SC2016 # not a command
row '`libresil.so`' "$library"
row 'the core alone' "$core"
echo
echo "$("$cc" --version | head -1), release: built in $(((build_ms + 500) / 1000)) s (2 jobs), linked in $link_ms ms."
