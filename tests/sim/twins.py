#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The table of twins in README.md: of how many seeds each broke its bound, and of how many a control kept it.

usage: twins.py RESIL_SIM [SEEDS=200]
"""

import json
import subprocess
import sys

# what a bound is called, the figure that it is about, whether a result keeps it
BACK = ("back within 60 s", "recovery_s", lambda r: 0 <= r["recovery_s"] <= 60)
BEST = ("some 10 s after the trigger reach 50 %", "best_window_pct", lambda r: not r["collapsed"])
AMPLIFIED = ("amplification at most 1.2", "amplification_10s", lambda r: r["amplification_10s"] <= 1.2)
PROBES = ("probes at most 5 %", "probe_pct", lambda r: r["probe_pct"] <= 5)
WORST = ("worst 5 s at least 99 %", "worst_5s_pct", lambda r: r["worst_5s_pct"] >= 99)
LOST = ("at most 2 % to the black hole", "lost_pct", lambda r: r["lost_pct"] <= 2)
DURING = ("during at least 85 %", "during_pct", lambda r: r["during_pct"] >= 85)

OVERLOADS = ("slowdown", "crash", "spike", "reconnect")

FEW_CALLS = ("--clients", "500")

# scenario, clients, bound, more options
TWINS = [
    ("restart", "resil-noretry", WORST, ()),
    ("blackhole", "resil-random", LOST, ()),
    ("deploy", "resil-nobudget", AMPLIFIED, ()),
    ("deploy-some", "naive", AMPLIFIED, ()),
    ("flap", "resil-random", DURING, ()),
    ("flap", "naive", BEST, ()),
    ("clock-ahead", "resil-uncapped", AMPLIFIED, ()),
    ("clock-back", "resil-uncapped", AMPLIFIED, ()),
    ("slowdown", "resil-instep", PROBES, ()),
    ("reconnect", "resil-instep", PROBES, ()),
]
CONTROLS = [(s, "naive-r0", BACK, ()) for s in OVERLOADS]
CONTROLS += [(s, "naive-q400", BEST if s == "spike" else BACK, ()) for s in OVERLOADS]
CONTROLS += [(s, "resil", PROBES, FEW_CALLS) for s in OVERLOADS]
MORE_TWINS = [
    ("spike", "resil-five", PROBES, FEW_CALLS),
    ("reconnect", "resil-five", PROBES, FEW_CALLS),
    ("spike", "resil-guard-3", PROBES, ()),
    ("slowdown", "resil-nobudget", AMPLIFIED, ()),
    ("slowdown", "resil-uncapped", AMPLIFIED, ()),
    ("slowdown", "resil-min10", BACK, ()),
    ("reconnect", "resil-min10", BACK, ()),
]
MORE_TWINS += [(s, "resil-backoff", BACK, ()) for s in OVERLOADS]


def run(sim, row, seed):
    after = "75" if row[2] is BACK else "60"
    command = [sim, "--scenario", row[0], "--policy", row[1], "--seed", str(seed), "--after", after, "--json", *row[3]]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def text(value):
    return "never" if value < 0 else f"{value:.4g}"


def count(sim, row, seeds, broken):
    bound, figure, keeps = row[2]
    results = [run(sim, row, seed) for seed in range(1, seeds + 1)]
    hits = sum(keeps(result) != broken for result in results)
    values = sorted(result[figure] for result in results)
    size = " with 5.6 calls a second" if row[3] else ""
    verdict = "broken" if broken else "kept"
    print(f"| {row[0]} | {bound} | `{row[1]}`{size} | {verdict} {hits}/{seeds} | ", end="")
    print(f"{text(values[0])} to {text(values[-1])} |", flush=True)
    return hits == seeds


def main():
    sim, seeds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200
    print("| scenario | bound | clients | seeds | from, to |\n|---|---|---|---|---|", flush=True)
    good = [count(sim, row, seeds, True) for row in TWINS]
    good += [count(sim, row, seeds, False) for row in CONTROLS]
    good += [count(sim, row, seeds, True) for row in MORE_TWINS]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
