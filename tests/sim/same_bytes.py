#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The same seed prints and draws the same bytes, another seed others: same_bytes.py RESIL_SIM"""

import json
import subprocess
import sys
import tempfile

NAMES = """scenario policy clients servers seed offered good attempts before_pct during_pct after_pct
    amplification amplification_10s amplification_1s worst_second_pct worst_5s_pct p50_ms p99_ms recovery_s
    collapsed probe_pct lost_pct jain queue_over_timeout load_times_attempts calls_per_pair budget_broken
    limit_broken faults trace"""
SECONDS = 120


def output(seed, form):
    command = [sys.argv[1], "--scenario", "crash", "--policy", "resil", "--after", "60", "--seed", seed]
    with tempfile.TemporaryDirectory() as folder:
        if form == ["--svg"]:
            form = ["--svg", f"{folder}/picture.svg"]
        printed = subprocess.run(command + form, check=True, capture_output=True).stdout
        if form[:1] == ["--svg"]:
            with open(form[1], "rb") as picture:
                printed = picture.read()
    return printed


for form in ([], ["--json"], ["--seeds", "2"], ["--svg"]):
    first = output("7", form)
    if not first or first != output("7", form):
        sys.exit(f"seed 7 {form}: the bytes differ")
    if first == output("8", form):
        sys.exit(f"seeds 7 and 8 {form}: the bytes don't differ")

result = json.loads(output("7", ["--json"]))
for name in NAMES.split():
    if name not in result:
        sys.exit(f"--json lacks {name}")
for name in ("offered", "good", "attempts", "probes"):
    if len(result[name + "_by_second"]) != SECONDS:
        sys.exit(f"--json has not each second's {name}")
if sum(result["good_by_second"][10:]) != result["good"]:
    sys.exit("the seconds don't add up")

broken = [sys.argv[1], "--scenario", "deploy", "--policy", "resil-loose", "--after", "60"]
if subprocess.run(broken, check=False, capture_output=True).returncode != 1:
    sys.exit("a broken promise doesn't show in the exit status")
