"""Run what `bench run` does with nothing given, seed by seed, and tell whether the recipe `quick` resolves.

    .venv/bin/python .ci/sweep_quick.py --out .ci/sweep_quick.jsonl --seeds 0 1 2 3 4 5 6 7 8 9
    .venv/bin/python .ci/sweep_quick.py --out .ci/sweep_quick.jsonl --table        # as Markdown

A line a seed: accuracy and worst leakage of the four rows with their intervals, the judge's accuracy on clear pairs,
and the seconds of all processors together (user and system), which other work on the machine changes little. A seed
that is there is not run again. Each runs in a store and a process of its own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from facebench.bench.cli.story import METHODS
from facebench.reports.board import leaderboard, plane
from facebench.reports.board.rows import Row
from facebench.reports.result import ledger
from facebench.reports.result.record import Interval
from facebench.reports.statistics.differences import over_seeds

BOUND = 0.9
"""Of the judge, as `bench run` has it."""


def measured(seed: int, keep: Path | None = None) -> dict[str, Any]:
    """One seed, run; its store is kept below a folder, or not at all."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as away:
        store = Path(keep or away) / f"seed{seed}"
        command = [sys.executable, "-m", "facebench.bench", "run", "--seed", str(seed), "--store", str(store),
                   "--tracking-uri", "none", "--quiet"]  # fmt: skip
        status = subprocess.run(command, env=os.environ, stdout=subprocess.DEVNULL, check=False).returncode  # noqa: S603
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        records = ledger.load(store / "records")
    (group,) = leaderboard.board(records)
    return {
        "seed": seed,
        "status": status,
        "cpu_seconds": round(used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime, 1),
        "peak_mib": round(used.ru_maxrss / 1024),
        "precision": group.arithmetic,
        "judge": max(records[0].judge["clear"].values()),
        "rows": {row.method: _numbers(row, group) for row in group.rows},
    }


def _numbers(row: Row, group: leaderboard.Group) -> dict[str, Any]:
    useful, leaks = plane.utility(row, group), plane.leakage(row)
    return {
        "accuracy": useful and [useful.value, *(useful.bar or ())],
        "leakage": leaks and [leaks.value, *(leaks.bar or ()), leaks.on],
        "unreliable": list(row.reasons),
        "marks": list(row.marks),
    }


def table(lines: list[dict[str, Any]]) -> str:
    """All seeds as Markdown, and what they say together."""
    head = ["seed", *METHODS, "judge", "apart", "CPU s"]
    rows = [[str(line["seed"]), *(_cell(line["rows"][name]) for name in METHODS), f"{100 * line['judge']:.1f}",
             "yes" if _apart(line) else "no", f"{line['cpu_seconds']:.0f}"] for line in lines]  # fmt: skip
    mean = ["mean", *(_mean(lines, name) for name in METHODS), f"{100 * min(x['judge'] for x in lines):.1f} (least)",
            f"{sum(map(_apart, lines))} of {len(lines)}",
            f"{sum(x['cpu_seconds'] for x in lines) / len(lines):.0f}"]  # fmt: skip
    told = [f"| {' | '.join(row)} |" for row in (head, ["---:"] * len(head), *rows, mean)]
    return "\n".join(told) + "\n"


def _cell(row: dict[str, Any]) -> str:
    value, low, high = row["accuracy"]
    return f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]; {100 * row['leakage'][0]:.1f}"


def _mean(lines: list[dict[str, Any]], name: str) -> str:
    """Over seeds, which share their pairs: intervals as the board makes them."""
    told = []
    for side, shared in (("accuracy", True), ("leakage", False)):
        values = [line["rows"][name][side] for line in lines]
        ends = [Interval(low=v[1], high=v[2], level=0.95, kind="wilson") for v in values]
        found = over_seeds([v[0] for v in values], ends, shared=shared)
        mean = sum(v[0] for v in values) / len(values)
        told.append(f"{100 * mean:.1f}" + (f" [{100 * found.low:.1f}, {100 * found.high:.1f}]" if found else ""))
    return "; ".join(told)


def _apart(line: dict[str, Any]) -> bool:
    """Whether the intervals of neighbours do not overlap, in accuracy."""
    ends = sorted(line["rows"][name]["accuracy"][1:] for name in METHODS)
    return all(one[1] < other[0] for one, other in itertools.pairwise(ends))


def main() -> int:
    """Run the seeds that are missing, or show those that are there; 1 where a judge missed its bound."""
    parser = argparse.ArgumentParser(description="does the recipe quick resolve?")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--stores", type=Path, help="keep the seeds' stores here")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    lines = [json.loads(line) for line in args.out.read_text("utf-8").splitlines()] if args.out.is_file() else []
    for seed in [] if args.table else args.seeds:
        if seed not in {line["seed"] for line in lines}:
            lines.append(measured(seed, args.stores))
            with args.out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(lines[-1]) + "\n")
    lines.sort(key=lambda line: line["seed"])
    sys.stdout.write(table(lines))
    return int(any(line["judge"] < BOUND for line in lines))


if __name__ == "__main__":
    sys.exit(main())
