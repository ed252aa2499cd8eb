"""The records of a folder for a command that shows several: one that cannot be read spoils no other, and is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ...reports.result.record import RunRecord
    from ...reports.result.thirdparty import ThirdPartyAttack


def readable(folder: Path) -> tuple[list[RunRecord], list[ThirdPartyAttack]]:
    """The sound records of a folder and the attacks on them; each that is passed over is told, quiet or not.

    Raises:
        RecordError: the folder cannot be read, or none of its records; or an attack is damaged while all records are
            sound: without it a row would look better than it is.
    """
    from ...reports.result import ledger, thirdparty
    from ..terminal.progress import Display
    from ..terminal.text import tame

    problems: list[str] = []
    records = ledger.load(folder, problems=problems)
    if problems and not records:
        raise ledger.RecordError(problems[0])
    attacks = thirdparty.load(folder, records, problems=problems if problems else None)
    for problem in problems:
        Display(quiet=True).warn(tame(f"warning: passed over, so what follows is without it: {problem}", longest=2000))
    return records, attacks
