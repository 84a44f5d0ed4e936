#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The same seed prints the same bytes, another seed others: same_bytes.py RESIL_SIM"""

import subprocess
import sys


def output(seed, form):
    command = [sys.argv[1], "--scenario", "crash", "--policy", "resil", "--after", "60", "--seed", seed]
    return subprocess.run(command + form, check=True, capture_output=True).stdout


for form in ([], ["--json"], ["--seeds", "2"]):
    first = output("7", form)
    if not first or first != output("7", form):
        sys.exit(f"seed 7 {form}: the bytes differ")
    if first == output("8", form):
        sys.exit(f"seeds 7 and 8 {form}: the bytes don't differ")
