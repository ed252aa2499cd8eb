"""The suite for programs and notebooks: `from facebench import run, records, board, plane, privatize`.

What a command prints comes back as objects, data frames and figures. Errors are raised, as `FacebenchError`. Nothing
heavy is imported before a function needs it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ..methods.base import Method
    from ..reports.board.leaderboard import Board
    from ..reports.result.record import RunRecord

__all__ = ["Result", "board", "plane", "privatize", "records", "run", "scores"]


@dataclass(frozen=True)
class Result:
    """A finished run."""

    record: RunRecord
    path: Path
    """The record's file."""
    fitted: Path | None
    """What the method learned, for `privatize`; None where it learns nothing."""
    private: Path
    """The private pack that was measured: repeatable from the seed, so not for publication."""

    @property
    def scores(self) -> pd.DataFrame:
        """One line a measured number, see `scores`."""
        return scores([self.record])

    @property
    def stages(self) -> pd.DataFrame:
        """One line a stage: name, key, seconds, peak_mib, cached."""
        import pandas as pd

        columns = ["name", "key", "seconds", "peak_mib", "cached"]
        return pd.DataFrame([{c: getattr(stage, c) for c in columns} for stage in self.record.stages], columns=columns)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from html import escape

        told = f"{self.record.method} on {self.record.dataset}, {self.record.recipe}, seed {self.record.seed}"
        flaws = "".join(f"<p><b>unreliable</b> {escape(flaw)}</p>" for flaw in self.record.flaws)
        shown = self.scores.query("headline").drop(columns=["method", "dataset", "recipe", "seed", "headline"])
        return f"<p>{escape(told)}</p>{flaws}{shown.to_html(index=False, escape=True)}"


def run(
    method: str | Method | Mapping[str, Any] | None = None,
    dataset: str | Path | Mapping[str, Any] | None = None,
    *,
    recipe: str | Path | None = None,
    seed: int | None = None,
    attacks: Sequence[str | Mapping[str, Any]] | str | None = None,
    settings: Mapping[str, Any] | None = None,
    store: str | Path = "runs",
    data: str | Path | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> Result:
    """Make a dataset private with a method, train on it, attack it, and measure; as `bench run` does, without MLflow.

    Args:
        method: its name, `{"use": NAME, ...}`, or an object of a class of yours, which may stand in a notebook: its
            code is part of every key.
        dataset: a card's name, the path of a pack or a folder of people, or `{"use": FORMAT, ...}`.
        recipe: its name, or the path of a YAML file; `quick` by default.
        seed: of the whole run.
        attacks: names or entries, instead of the recipe's; `"all"` for all there are.
        settings: any entries of a recipe by their places, such as `{"recognizer.steps": 200}`.
        store: folder of finished stages and records.
        data: where cards look for their data; by default `$FACEBENCH_DATA`, or `data`.
        device: `auto`, `cpu` or `cuda`.
        quiet: whether to show no progress.

    Raises:
        FacebenchError: something cannot be used as it was given; see the subclasses of each part.
    """
    from ..methods.base import Method
    from .experiment.run import prepare
    from .experiment.run import run as make
    from .plan.plan import plan
    from .store.store import Store
    from .terminal.progress import Display

    given = method if isinstance(method, Method) else None
    entry = None if given is not None else dict(method) if isinstance(method, Mapping) else method
    wanted = plan(
        recipe=None if recipe is None else str(recipe),
        settings=[f"{place}={_flow(value)}" for place, value in (settings or {}).items()],
        dataset=str(dataset) if isinstance(dataset, Path) else dataset,
        method=type(given).__name__.lower() if given is not None else entry,
        seed=seed,
        attacks=attacks,
    )
    display = Display(quiet=quiet)
    kept = Store(Path(store))
    pipeline = prepare(wanted, kept, data_root=_data(data), device=device, display=display, method=given)
    outcome = make(pipeline, display=display)
    fitted = pipeline.path(pipeline.fit) if pipeline.fit else pipeline.context.method.brought
    return Result(outcome.record, outcome.path, fitted, pipeline.path(pipeline.release))


def records(folder: str | Path = "runs") -> list[RunRecord]:
    """The records of a store, or of a folder of records.

    Raises:
        RecordError: one cannot be read, or there is none.
    """
    from ..reports.result import ledger

    place = Path(folder)
    inner = place / "records"
    found = ledger.load(inner if inner.is_dir() else place)
    if not found:
        raise ledger.RecordError(f"records {folder}: expected at least one record, got none; make one with `run`")
    return found


def scores(of: Collection[RunRecord]) -> pd.DataFrame:
    """Every number of some records, one a line.

    Returns:
        Columns method, dataset, recipe, seed, side (`utility`, `privacy`, `cost`), measure, on, value, low and high (95
        %), chance, n, unit, headline. What was not measured is NaN.
    """
    import pandas as pd

    columns = ["method", "dataset", "recipe", "seed", "side", "measure", "on", "value", "low", "high", "chance", "n",
               "unit", "headline"]  # fmt: skip
    lines = []
    for record in of:
        run_of = (record.method, record.dataset, record.recipe, record.seed)
        for score in record.scores:
            first = score.intervals[0] if score.intervals else None
            ends = (first.low, first.high) if first else (None, None)
            measure = score.measure
            lines.append((*run_of, measure.side, measure.name, score.on, score.value, *ends, score.chance, score.n,
                          measure.unit, measure.headline))  # fmt: skip
    frame = pd.DataFrame(lines, columns=columns)
    return frame.astype({name: "float64" for name in ("value", "low", "high", "chance")})


def board(of: Collection[RunRecord] | str | Path = "runs") -> pd.DataFrame:
    """The leaderboard: one line a method with its parameters, over its seeds; the best first within a group.

    Args:
        of: records, or where they are.

    Returns:
        Columns dataset, recipe, group (rows of one number may be compared), method, label, seeds, utility,
        worst_leakage, low and high of it (95 %), worst_attack, front, marks.
    """
    import pandas as pd

    columns = ["dataset", "recipe", "group", "method", "label", "seeds", "utility", "worst_leakage", "low", "high",
               "worst_attack", "front", "marks"]  # fmt: skip
    lines = []
    for number, group in enumerate(_board(of)):
        for row in group.rows:
            cell = row.worst
            bracket = cell.bracket if cell else None
            ends = (bracket.low, bracket.high) if bracket else (None, None)
            worst = (cell.mean, *ends, cell.on) if cell else (None, None, None, None)
            lines.append((
                group.dataset, group.recipe, number, row.method, row.label, len(row.seeds), row.utility,
                *worst, row.front, ", ".join(row.marks),
            ))  # fmt: skip
    frame = pd.DataFrame(lines, columns=columns)
    return frame.astype({name: "float64" for name in ("utility", "worst_leakage", "low", "high")})


def plane(of: Collection[RunRecord] | str | Path = "runs", *, width: float | None = None) -> Figure:
    """The privacy-utility plane as a figure of matplotlib: utility to the right, worst leakage downwards.

    Args:
        of: records, or where they are.
        width: in inches; by default as a screen has room for.
    """
    from ..reports.pictures.plane import draw_plane

    return draw_plane(_board(of), width=width)


def privatize(
    dataset: str | Path,
    out: str | Path,
    *,
    method: str | None = None,
    fitted: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    record: str | Path | None = None,
    links: bool = True,
    layout: str = "recordio",
    encoding: str = "png",
    workers: int | None = None,
    device: str = "auto",
    data: str | Path | None = None,
    store: str | Path = "runs",
    quiet: bool = False,
) -> Path:
    """Make a dataset private, to share it, as `bench privatize` does: with a secret key of its own.

    Args:
        dataset: a card's name, the path of a pack or a folder of people.
        out: the folder to make.
        method: its name; not needed where `fitted` tells it.
        fitted: what a method learned, such as `Result.fitted`.
        settings: parameters, such as `{"method.ratio": 0.5}`.
        record: of a run that measured the method, for the dataset card.
        links: whether to keep what links private faces to originals beside the release, and its key.
        layout: `recordio` or `folder`.
        encoding: `png` or `jpeg`.
        workers: processes; one a core by default.
        device: `auto`, `cpu` or `cuda`.
        data: where cards look for their data.
        store: where a key of a fitted stage is looked for.
        quiet: whether to show no progress.

    Returns:
        `out`.

    Raises:
        FacebenchError: it cannot be made from what was given; nothing half-made is left.
    """
    from .cli.main import parser
    from .release.privatize import privatize as make

    given: dict[str, Any] = {
        "--method": method, "--fitted": fitted, "--record": record, "--to": layout, "--encoding": encoding,
        "--workers": workers, "--device": device, "--data": _data(data), "--store": store,
    }  # fmt: skip
    words = ["privatize", str(dataset), str(out)]
    for option, value in given.items():
        words += [option, str(value)] if value is not None else []
    words += ["--quiet"] if quiet else []
    words += [] if links else ["--no-links"]
    if settings:
        words += ["--set", *(f"{place}={_flow(value)}" for place, value in settings.items())]
    make(parser().parse_args(words))
    return Path(out)


def _board(of: Collection[RunRecord] | str | Path) -> Board:
    from ..reports.board import leaderboard

    return leaderboard.board(records(of) if isinstance(of, str | Path) else of)


def _data(folder: str | Path | None) -> Path:
    import os

    return Path(folder if folder is not None else os.environ.get("FACEBENCH_DATA", "data"))


def _flow(value: Any) -> str:
    """A value as `--set` takes it: JSON, which is YAML too."""
    import json

    return json.dumps(str(value) if isinstance(value, Path) else value)
