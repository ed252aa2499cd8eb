"""`bench show`."""

from __future__ import annotations

import argparse
import ast
import difflib
import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..terminal.printing import show
from . import arguments

if TYPE_CHECKING:
    from ...reports.result.record import RunRecord
    from ..describe import Description
    from .arguments import Commands

_ABOUT = """Tells what a name stands for: a method, attack, metric, dataset or recipe and what may be set of it; a stage
and what its key is made of; a record and what it holds. `bench list` has the names."""
_STAGES = Path(__file__).parents[1] / "experiment" / "stages"


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = commands.add_parser("show", help="what a name stands for, and what may be set of it", description=_ABOUT)
    command.add_argument(
        "name", metavar="NAME|FILE", help="of a method, attack, metric, dataset, recipe, stage, record"
    )
    for option in (arguments.store, arguments.machine_readable):
        option(command)
    command.set_defaults(do=do)


def do(args: argparse.Namespace) -> int:
    """Show all that goes by a name.

    Raises:
        ConfigError: nothing does; the message names near ones.
        RecordError: the record of that name cannot be read.
        PluginError: a plug-in of another package cannot be loaded.
    """
    from ..plan.plan import ConfigError

    if path := _record(args.name, args.store):
        return _show_record(path, args)
    known: list[str] = []
    found = [make() for name, make in _everything() if known.append(name) or name == args.name]  # type: ignore[func-returns-value]
    if not found:
        near = difflib.get_close_matches(args.name, known, n=3)
        hint = f"did you mean {' or '.join(dict.fromkeys(near))}?" if near else "`bench list` has the names"
        raise ConfigError(f"nothing is called {args.name!r}, and no record in {args.store / 'records'} is; {hint}")
    if args.format == "json":
        show(json.dumps([asdict(each) for each in found], indent=1) + "\n")
    else:
        show("\n".join(_page(each) for each in found))
    return 0


def _everything() -> Iterator[tuple[str, Any]]:
    """Every name that is known, and what describes it when it is called."""
    from ...datasets.base import FaceSource, PairSource
    from ...datasets.catalog import cards
    from ...methods.base import Method
    from ..attacks.base import Attack
    from ..describe import of_class
    from ..metrics.base import Metric
    from ..plan.plan import recipes
    from ..plugins import load, names, provided

    kinds = {
        "method": Method,
        "attack": Attack,
        "metric": Metric,
        "dataset": FaceSource,
        "verification set": PairSource,
    }
    for kind, contract in kinds.items():
        for name in names(contract):
            if provided(contract, name):
                yield name, lambda n=name, k=kind, c=contract: of_class(n, k, load(c, n))
    for name in cards.names():
        yield name, partial(_card, name)
    for name in recipes():
        yield name, partial(_recipe, name)
    for path in sorted(_STAGES.glob("*.py")):
        for name in _named(_says(path)):
            yield name, partial(_stage, name, path)


def _card(name: str) -> Description:
    from ...datasets.catalog import cards
    from ..describe import Description

    card = cards.load(name)
    facts = {"folders": ", ".join(card.folders), "verified on": ", ".join(card.verification), "terms": card.terms,
             "overlap": card.overlap, "how to obtain it": card.obtain}  # fmt: skip
    if card.identities and card.images:
        facts = {"size": f"{card.images:,} images of {card.identities:,} people", **facts}
    return Description(name, "known dataset", card.about, f"datasets/cards/{name}.yaml", facts=facts)


def _recipe(name: str) -> Description:
    import yaml

    from ..describe import Description, Parameter, parameters, written
    from ..plan.plan import RECIPES, Plan, plan

    given = yaml.safe_load((RECIPES / f"{name}.yaml").read_text("utf-8"))
    whole = plan(recipe=name).model_dump(mode="json")
    entries = [
        Parameter(
            one.name,
            one.kind,
            written(whole[one.name]),
            ("(the recipe's own) " if one.name in given else "") + one.says,
        )
        for one in parameters(Plan)
        if one.name not in ("recipe", "about")
    ]
    return Description(name, "recipe", given.get("about", ""), f"bench/plan/recipes/{name}.yaml", tuple(entries))


def _stage(name: str, path: Path) -> Description:
    from ..describe import Description

    about = _says(path)
    facts = {"its key": f"is made in {path.name}; docs/architecture.md has a table of all keys"}
    return Description(name, "stage", about, f"bench/experiment/stages/{path.name}", facts=facts)


def _says(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""


def _named(says: str) -> list[str]:
    """The stages that a file says it is about: `The stages `judge` and `verify/SET`: ...`."""
    first = says.partition(":")[0]
    if not first.startswith("The stage"):
        return []
    return [quoted.partition("/")[0] for quoted in first.split("`")[1::2]]


def _record(name: str, store: Path) -> Path | None:
    """The file of a record, by its path or its name in the store; None where it is none."""
    for path in (Path(name), store / "records" / name, store / "records" / f"{name}.json"):
        if path.suffix == ".json" and path.is_file():
            return path
    return None


def _show_record(path: Path, args: argparse.Namespace) -> int:
    from rich.markup import escape
    from rich.table import Table

    from ...reports.result.harmless import one_line
    from ...reports.result.record import read
    from ..terminal.text import text
    from .summary import measured
    from .to_mlflow import FIGURES

    record: RunRecord = read(path)
    if args.format == "json":
        show(json.dumps(record.model_dump(mode="json"), indent=1) + "\n")
        return 0
    stages = Table(box=None, padding=(0, 2, 0, 2))
    for column in ("stage", "key", "seconds", "MiB"):
        stages.add_column(column, justify="right" if column in ("seconds", "MiB") else "left")
    for each in record.stages:
        peak = "-" if each.peak_mib is None else f"{each.peak_mib:,.0f}"
        stages.add_row(escape(one_line(each.name)), escape(one_line(each.key)), f"{each.seconds:,.1f}", peak)
    told = [escape(one_line(note)) for note in record.notes]
    pictures = args.store / FIGURES / record.name
    where = f"pictures {pictures}" if pictures.is_dir() else "no pictures of it in this store; `bench run` draws them"
    show(
        text(*measured(record), *told, "", stages, "", escape(one_line(f"record {path}")), escape(one_line(where)))
        + "\n"
    )
    return 0


def _page(found: Description) -> str:
    from rich.markup import escape
    from rich.table import Table

    from ...reports.result.harmless import one_line
    from ..terminal.text import text

    lines: list[Any] = [f"[bold]{escape(one_line(found.name))}[/], {found.kind} ({escape(one_line(found.where))})", ""]
    lines += [
        escape(" ".join(paragraph.split())) + "\n" for paragraph in found.about.split("\n\n") if paragraph.strip()
    ]
    lines += [f"{key}: {escape(one_line(value))}" for key, value in found.facts.items() if value]
    if found.parameters:
        table = Table(box=None, padding=(0, 2, 0, 0), title="may be set" if found.kind != "recipe" else "entries",
                      title_justify="left")  # fmt: skip
        for column, least in (
            ("name", 0),
            ("default" if found.kind != "recipe" else "value", 12),
            ("type", 12),
            ("", 30),
        ):
            table.add_column(column, overflow="fold", min_width=least, no_wrap=column == "name")
        for one in found.parameters:
            table.add_row(*(escape(one_line(cell)) for cell in (one.name, one.default, one.kind, one.says)))
        lines += ["", table]
    if found.kind == "method":
        lines += ["", escape(f"bench run --method {found.name} --set method.NAME=VALUE")]
    return text(*lines) + "\n"
