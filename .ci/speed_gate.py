"""Compare the ratios of `tests/perf` with those in `speed.json`: how many times faster ours is than its peer.

    .venv/bin/pytest tests/perf -n0 --benchmark-enable --benchmark-json build/speed.json
    .venv/bin/python .ci/speed_gate.py build/speed.json

Seconds differ from machine to machine; both sides of a ratio are measured in one run on one machine, and the ratio is
what is kept. It still differs with processor and load, so it may fall to 1/slack of what is written before that is an
error. Each side counts with its fastest round, which load disturbs least. Exit code 0: all within the slack; 1: a ratio
fell below; 2: one was not measured, or the file is none of pytest-benchmark's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

EXPECTED = Path(__file__).with_name("speed.json")


def verdicts(measured: dict[str, float], expected: dict[str, Any]) -> tuple[list[str], int]:
    """A line for each ratio, and the exit code.

    Args:
        measured: seconds of the fastest round, by the benchmark's name.
        expected: as in `speed.json`.
    """
    lines, code = [], 0
    for pair in expected["ratios"]:
        lacking = [name for name in (pair["ours"], pair["peer"]) if not measured.get(name, 0) > 0]
        if lacking:
            lines.append(f"not measured  {pair['what']}: no {' and no '.join(lacking)}")
            code = code or 2
            continue
        ratio, least = measured[pair["peer"]] / measured[pair["ours"]], pair["ratio"] / expected["slack"]
        slow = ratio < least
        code = 1 if slow else code
        told = f"{pair['what']}: {ratio:.2f} times as fast, written {pair['ratio']}, at least {least:.2f}"
        lines.append(f"{'SLOWER' if slow else 'ok':<13} {told}")
    return lines, code


def main(file: str) -> int:
    """Print the verdicts on a file of `--benchmark-json`."""
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
        measured = {each["fullname"].rpartition("/")[2]: float(each["stats"]["min"]) for each in content["benchmarks"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"error: {file}: expected what pytest's --benchmark-json wrote, got {error!r}\n")
        return 2
    lines, code = verdicts(measured, json.loads(EXPECTED.read_text(encoding="utf-8")))
    sys.stdout.write("\n".join(lines) + "\n")
    return code


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FILE")
    sys.exit(main(sys.argv[1]))
