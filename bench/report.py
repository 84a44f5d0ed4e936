#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes a table and a plot of what bench/compare.sh measured.

    report.py --filter RESIL_BENCH                       the rows to measure, as --filter of this program wants them
    report.py [--allow-missing] ROUNDS.jsonl MACHINE.txt TABLE.md PLOT.svg

A row that the program doesn't have yet, or that found no quiet moment, is left out and named. A peer left out is an
error unless it is allowed.
"""

import collections
import html
import json
import math
import pathlib
import statistics
import subprocess
import sys

# A row must have been measured in at least so many rounds.
ROUNDS_MIN = 3

# (row, the step of the machine that it can't do without)
LIMITS = (
    ("chain.exact", "limit.clock"),
    ("chain.coarse", "limit.clock"),
    ("chain.leased", "limit.clock"),
    ("chain.now", "limit.xadd"),
    ("breaker.time", "limit.xadd"),
    ("breaker.time_striped", "limit.xadd"),
    ("breaker.count", "limit.xadd"),
    ("limiter.gcra", "limit.xadd"),
    ("limiter.leased", "limit.xadd"),
    ("bulkhead.pair", "limit.xadd"),
    ("bulkhead.leased", "limit.xadd"),
    ("keyed.hot", "limit.xadd"),
    ("keyed.random", "limit.miss"),
    ("keyed.random_huge", "limit.miss_huge"),
    ("retry.success", "limit.call"),
    ("breaker.open", "limit.call"),
    ("limiter.gcra_refuse", "limit.call"),
    ("bulkhead.full", "limit.call"),
)

STEPS = {"limit.clock": "a reading of the clock", "limit.xadd": "an atomic addition", "limit.call": "an empty call",
         "limit.miss": "a line of far memory", "limit.miss_huge": "the same in huge pages"}

# (what both do, ours, the peer's, the peer)
PEERS = (
    ("token, reads the clock", "like.limiter_clock", "peer.x_time_rate", "x/time/rate Allow"),
    ("token, reads the clock", "like.limiter_clock", "peer.guava", "Guava tryAcquire"),
    ("token, reads the clock", "like.limiter_clock", "peer.bucket_mutex", "bucket and mutex"),
    ("token, told the time", "limiter.gcra", "peer.x_time_rate_now", "x/time/rate AllowN"),
    ("refused, reads the clock", "like.limiter_clock_refuse", "peer.x_time_rate_refuse", "x/time/rate Allow"),
    ("refused, reads the clock", "like.limiter_clock_refuse", "peer.guava_refuse", "Guava tryAcquire"),
    ("permit, in and out", "bulkhead.pair", "peer.counting_semaphore", "counting_semaphore"),
    ("server of a key, Maglev", "like.maglev_text.8", "peer.ketama.8", "libmemcached ketama"),
    ("server of a key, ring", "like.ring_text.8", "peer.ketama.8", "libmemcached ketama"),
    ("smooth weighted turn", "balancer.swrr.8", "peer.wrr_mutex.8", "nginx's way, mutex"),
)


def wanted():
    rows = [name for pair in LIMITS for name in pair]
    return rows + [name for _, ours, peer, _ in PEERS for name in (ours, peer)]


def print_filter(program):
    there = set(subprocess.run([program, "--list"], text=True, capture_output=True, check=True).stdout.split())
    print(",".join(dict.fromkeys(name for name in wanted() if name in there)))


class Measured:
    """Minimum over the rounds, and the median of their medians, of (row, threads)."""

    def __init__(self, lines):
        minima = collections.defaultdict(list)
        medians = collections.defaultdict(list)
        for line in lines:
            row = json.loads(line)
            minima[row["bench"], row["threads"]].append(row["min_ns"])
            medians[row["bench"], row["threads"]].append(row["median_ns"])
        self.min_ns = {key: min(values) for key, values in minima.items() if len(values) >= ROUNDS_MIN}
        self.median_ns = {key: statistics.median(values) for key, values in medians.items()}
        self.sweep = sorted({threads for _, threads in self.min_ns})

    def has(self, *rows):
        return all((row, threads) in self.min_ns for row in rows for threads in self.sweep)

    def ratio(self, row, other, threads):
        """Of minima with one thread; of medians with more: there the minimum is when they met least."""
        ns = self.min_ns if threads == 1 else self.median_ns
        return ns[row, threads] / ns[other, threads]


def number(value):
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def table_lines(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|" + "|".join("---:" if cell[0].isdigit() else "---" for cell in rows[0]) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def ns_cells(measured, row):
    return [f"{number(measured.min_ns[row, threads])} / {number(measured.median_ns[row, threads])}"
            for threads in measured.sweep]


def markdown(measured, machine, limits, peers):
    """Yields the lines of the table's file."""
    def by_threads(what):
        return [f"{what}, {threads} thread{'s' * (threads > 1)}" for threads in measured.sweep]

    yield "# Measured side by side"
    yield ""
    yield "Written by `bench/compare.sh`; [README.md](README.md) says how to read it. In short: nanoseconds per operation"
    yield "and thread, `min / median`; all threads work on the same object, without a pause. Ratios are those of minima with"
    yield "one thread and those of medians with more, where the minimum is the moment in which the threads met least."
    yield ""
    yield from (f"- {line}" for line in machine)
    yield ""
    yield "![The ratios as bars](compare.svg)"
    yield ""
    yield "## Beside the peers"
    yield ""
    yield "How many times as long the peer takes. More than 1: resil is faster."
    yield ""
    yield from table_lines(
        ["both do", "resil", *by_threads("ns"), "peer", *by_threads("ns"), *by_threads("peer ÷ resil")],
        [[what, f"`{ours}`", *ns_cells(measured, ours), f"`{peer}`", *ns_cells(measured, peer),
          *(f"{measured.ratio(peer, ours, threads):.2f}" for threads in measured.sweep)]
         for what, ours, peer, _ in peers])
    yield "## Beside the machine"
    yield ""
    yield "How many times as long as one step of the machine that there is no way around, with as many threads at it."
    yield ""
    yield from table_lines(
        ["resil", *by_threads("ns"), "limit", *by_threads("ns"), *by_threads("resil ÷ limit")],
        [[f"`{row}`", *ns_cells(measured, row), f"`{limit}`", *ns_cells(measured, limit),
          *(f"{measured.ratio(row, limit, threads):.2f}" for threads in measured.sweep)]
         for row, limit in limits])


STYLE = """
.ground { fill: #ffffff } text { fill: #1f2328; font: 12px sans-serif } .note { fill: #59636e; font-size: 11px }
.title { font-size: 15px; font-weight: 600 } .value { font-size: 11px }
.grid { stroke: #d1d9e0 } .one { stroke: #59636e; stroke-width: 1.5 } .few { fill: #0969da } .many { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117 } text { fill: #f0f6fc } .note { fill: #9198a1 }
.grid { stroke: #3d444d } .one { stroke: #9198a1 } .few { fill: #4493f8 } .many { fill: #db6d28 }
}
"""

WIDTH, LEFT, RIGHT, BAR, ROW = 860, 330, 60, 10, 29


class Plot:
    """Bars on a logarithmic axis that start at 1."""

    def __init__(self, threads):
        self.parts = []
        self.y = 0
        self.threads = threads

    def text(self, x, y, text, kind="", anchor="start"):
        kind = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}"{kind} text-anchor="{anchor}">{html.escape(text)}</text>')

    def line(self, x, top, bottom, kind):
        self.parts.append(f'<line x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}" class="{kind}"/>')

    def legend(self):
        x = LEFT
        for kind, threads in zip(("few", "many"), self.threads):
            self.parts.append(f'<rect x="{x}" y="{self.y - 9}" width="14" height="{BAR}" class="{kind}"/>')
            self.text(x + 20, self.y, f"{threads} thread{'s' * (threads > 1)}")
            x += 110

    def panel(self, title, note, rows):
        """rows: (label, note, ratios)"""
        ratios = [ratio for _, _, values in rows for ratio in values]
        low = min(-1, math.floor(math.log2(min(ratios))))
        high = max(1, math.ceil(math.log2(max(ratios))))

        def at(ratio):
            return LEFT + (WIDTH - LEFT - RIGHT) * (math.log2(ratio) - low) / (high - low)

        self.y += 30
        self.text(16, self.y, title, "title")
        self.text(16, self.y + 17, note, "note")
        top = self.y + 44
        bottom = top + ROW * len(rows)
        for power in range(low, high + 1):
            self.line(at(2**power), top - 4, bottom, "one" if power == 0 else "grid")
            self.text(at(2**power), top - 9, f"{2**power:g}", "note", "middle")
        for i, (label, other, values) in enumerate(rows):
            y = top + ROW * i
            self.text(16, y + 15, label)
            self.text(LEFT - 10, y + 15, other, "note", "end")
            for kind, offset, ratio in zip(("few", "many"), (3, 3 + BAR + 1), values):
                start, end = sorted((at(1), at(ratio)))
                self.parts.append(f'<rect x="{start:.1f}" y="{y + offset}" width="{max(end - start, 1):.1f}" '
                                  f'height="{BAR}" class="{kind}"/>')
                self.text(end + 4, y + offset + BAR, f"{ratio:.2f}", "value")
        self.y = bottom

    def svg(self):
        height = self.y + 16
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
                f'height="{height}">\n<style>{STYLE}</style>\n'
                f'<rect class="ground" width="{WIDTH}" height="{height}" rx="6"/>\n' + "\n".join(self.parts)
                + "\n</svg>\n")


def plot(measured, machine, limits, peers):
    ends = list(dict.fromkeys((measured.sweep[0], measured.sweep[-1])))
    drawn = Plot(ends)
    drawn.y = 24
    drawn.text(16, drawn.y, "resil, all measured in one run", "title")
    drawn.legend()
    drawn.text(16, drawn.y + 18, machine[0].split(": ", 1)[-1], "note")
    drawn.y += 14
    drawn.panel("How many times as long a peer takes", "Right of 1: resil is faster. A logarithmic scale.",
                [(what, peer, [measured.ratio(row, ours, threads) for threads in ends])
                 for what, ours, row, peer in peers])
    drawn.panel("How many times as long as what the machine itself takes",
                "1 is that step alone, with as many threads at it.",
                [(row, STEPS[limit], [measured.ratio(row, limit, threads) for threads in ends])
                 for row, limit in limits])
    return drawn.svg()


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--filter":
        print_filter(sys.argv[2])
        return 0
    lenient = "--allow-missing" in sys.argv
    rounds, machine, table, picture = (pathlib.Path(word) for word in sys.argv[1:] if word != "--allow-missing")
    measured = Measured(rounds.read_text().splitlines())
    machine = machine.read_text().splitlines()
    limits = [pair for pair in LIMITS if measured.has(*pair)]
    peers = [one for one in PEERS if measured.has(*one[1:3])]
    absent = sorted({name for name in wanted() if not measured.has(name)})
    if absent:
        print("report.py: not measured, or in too few rounds: " + ", ".join(absent), file=sys.stderr)
    if not limits or not peers:
        return 1
    table.write_text("\n".join(markdown(measured, machine, limits, peers)))
    picture.write_text(plot(measured, machine, limits, peers))
    return any(name.startswith("peer.") for name in absent) and not lenient


sys.exit(main())
