#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Measures the machine, the library and the peers that Debian packages side by side, in many short rounds, and writes
# compare.md and compare.svg: see README.md.
#
#     bench/compare.sh [--rounds R] [--threads LIST] [--ms M] [--out DIR] [--allow-missing]
#
# Builds all in build-compare/. A peer that can't be built is named, and ends it unless --allow-missing.
set -eu
usage() {
    echo "usage: compare.sh [--rounds R] [--threads 1,N] [--ms M] [--out DIR] [--allow-missing]" >&2
    exit 2
}

bench=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$bench")
build=$root/build-compare
peers=$build/peers
out=$bench
rounds=40
repetitions=1
ms=2
threads=1,$(nproc)
allow_missing=false
load=$(cut -d' ' -f1 /proc/loadavg 2>/dev/null || echo unknown)
while [ $# -gt 0 ]; do
    case $1 in
    --rounds) rounds=${2:?} && shift ;;
    --threads) threads=${2:?} && shift ;;
    --ms) ms=${2:?} && shift ;;
    --out) out=${2:?} && shift ;;
    --allow-missing) allow_missing=true ;;
    *) usage ;;
    esac
    shift
done
[ "$threads" != 1,1 ] || threads=1

missing=''
miss() {
    echo "compare.sh: missing peer: $1 (Debian: apt-get install $2)" >&2
    missing="$missing${missing:+; }$1"
}

# Our own part, without what it doesn't need.
cc=${CC:-cc}
cxx=${CXX:-c++}
if [ ! -d "$build" ]; then
    CC=$cc meson setup "$build" "$root" -Dbuildtype=release -Dtests=false -Dexamples=false >/dev/null
fi
ninja -C "$build" bench/resil-bench >/dev/null
mkdir -p "$peers" "$out"

# The native peers become rows of the same program, so that they alternate repetition by repetition.
flags=''
set --
if "$cxx" -std=c++20 -O3 -Wall -Wextra -c "$bench/peers/semaphore.cc" -o "$peers/semaphore.o" 2>"$peers/cxx.log"; then
    flags="$flags -DPEER_SEMAPHORE"
    set -- "$@" "$peers/semaphore.o" -lstdc++
else
    miss 'std::counting_semaphore (a C++20 compiler)' g++
fi
if "$cc" -O3 -Wall -Wextra -c "$bench/peers/ketama.c" -o "$peers/ketama.o" 2>"$peers/ketama.log"; then
    flags="$flags -DPEER_KETAMA"
    set -- "$@" "$peers/ketama.o" -lmemcached
else
    miss 'libmemcached' libmemcached-dev
fi
sed 's/^\(#define BENCH_GROUPS.*\)$/\1 X(peers)/' "$build/bench/bench_groups.h" >"$peers/bench_groups.h"
for file in "$bench/main.c" "$bench/peers/peers.c"; do
    # shellcheck disable=SC2086 # words
    "$cc" -std=c11 -O3 -Wall -Wextra $flags -I"$peers" -I"$bench" -I"$root/include" -I"$build/include" -c "$file" \
        -o "$peers/$(basename "$file" .c).o"
done
for object in "$build"/bench/resil-bench.p/*.o; do
    case $object in */main.c.o) ;; *) set -- "$object" "$@" ;; esac
done
"$cc" "$peers/main.o" "$peers/peers.o" "$@" -L"$build/src" -lresil -lck -pthread -Wl,-rpath,"$build/src" \
    -o "$peers/native"

gocode=/usr/share/gocode
if [ -d "$gocode/src/golang.org/x/time/rate" ] && command -v go >/dev/null; then
    (cd "$bench/peers" &&
        GO111MODULE=off GOFLAGS='' GOPATH=$gocode GOCACHE=$build/gocache go build -o "$peers/rate" rate.go)
else
    rm -f "$peers/rate"
    miss 'golang.org/x/time/rate' 'golang-go golang-golang-x-time-dev'
fi
guava=/usr/share/java/guava.jar
if [ -e "$guava" ] && command -v javac >/dev/null; then
    javac -cp "$guava" -d "$peers" "$bench/peers/GuavaLimiter.java"
else
    rm -f "$peers/GuavaLimiter.class"
    miss 'Guava RateLimiter' 'default-jdk-headless libguava-java'
fi
if [ -n "$missing" ] && ! $allow_missing; then
    echo "compare.sh: install what is missing, or go without by --allow-missing" >&2
    exit 1
fi

# The machine, as far as it says.
version() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo unknown; }
{
    echo "Processor: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) processors" \
        "$(if grep -qw hypervisor /proc/cpuinfo; then echo '(virtual)'; fi)"
    echo "System: $(uname -s) $(uname -r) $(uname -m)," \
        "$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release), $(getconf GNU_LIBC_VERSION 2>/dev/null || :)," \
        "clock $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource 2>/dev/null || echo unknown)"
    echo "Compiler: $("$cc" --version | head -1)"
    [ ! -x "$peers/rate" ] ||
        echo "Go: $(go version | cut -d' ' -f3), golang.org/x/time $(version golang-golang-x-time-dev)"
    [ ! -e "$peers/GuavaLimiter.class" ] ||
        echo "Java: $(java -version 2>&1 | head -1), Guava $(version libguava-java)"
    [ ! -e "$peers/ketama.o" ] || echo "libmemcached: $(version libmemcached-dev)"
    echo "Measured: $rounds rounds, in each $ms ms of each;" \
        "load when it began $load"
    [ -z "$missing" ] || echo "Missing: $missing"
} | sed 's/  *$//' >"$peers/machine.txt"

filter=$(python3 "$bench/report.py" --filter "$peers/native")
: >"$peers/rounds.jsonl"
: >"$peers/rounds.log"
round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    # A bench that found no quiet moment is absent from this round: report.py wants it in a few.
    "$peers/native" --json --filter "$filter" --threads "$threads" --ms "$ms" --repetitions $repetitions \
        >>"$peers/rounds.jsonl" 2>>"$peers/rounds.log" || [ $? -eq 1 ]
    [ ! -x "$peers/rate" ] ||
        "$peers/rate" "$threads" "$ms" $repetitions >>"$peers/rounds.jsonl" 2>>"$peers/rounds.log"
    [ ! -e "$peers/GuavaLimiter.class" ] ||
        java -cp "$guava:$peers" GuavaLimiter "$threads" "$ms" $repetitions >>"$peers/rounds.jsonl" \
            2>>"$peers/rounds.log"
    printf '\rround %d of %d' "$round" "$rounds" >&2
done
echo >&2
set --
! $allow_missing || set -- --allow-missing
python3 "$bench/report.py" "$@" "$peers/rounds.jsonl" "$peers/machine.txt" "$out/compare.md" "$out/compare.svg"
