"""Every advice in a message can be followed: options, commands, settings and stages that messages name are taken."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from advice import Advice, advice, everything, messages
from facebench.bench.cli.main import parser
from facebench.bench.experiment.pipeline import lay_out
from facebench.bench.plan.data import open_data
from facebench.bench.plan.plan import Plan, plan
from facebench.bench.plugins import load, own
from facebench.bench.store.store import Store
from facebench.datasets.base import FaceSource, PairSource
from facebench.methods.base import Method
from pydantic import BaseModel

ALL = everything()
THEIRS = {"--upgrade": "mlflow", "--facebench-baseline": "pytest", "--facebench-store": "pytest"}
"""Options of other programs, which messages name beside these."""
ONLY = {
    "bench/cli/check.py": "check", "bench/gate/": "check", "bench/cli/compare.py": "compare", "bench/cli/run.py": "run",
    "bench/cli/privatize.py": "privatize", "bench/release/": "privatize", "bench/cli/report.py": "report",
    "bench/cli/data.py": "data verify", "datasets/catalog/convert.py": "data convert", "bench/cli/verify.py": "verify",
}  # fmt: skip
"""Files whose messages only one command prints, so that options named without a command are that one's."""
NOT_ITS_OWN = {
    ("bench/cli/data.py", "--skip-bad"): "run",  # `data verify` says what a run does with what it found
    ("bench/cli/data.py", "--to"): "data convert",
}


def commands() -> dict[str, argparse.ArgumentParser]:
    """All commands by their words, such as `data verify`; the empty one is the program itself."""

    def below(name: str, one: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
        yield name, one
        for action in one._actions:
            if isinstance(action, argparse._SubParsersAction):
                for word, inner in action.choices.items():
                    yield from below(f"{name} {word}".strip(), inner)

    return dict(below("", parser()))


COMMANDS = commands()


def wrong(what: Advice) -> str:
    """Why an advice cannot be followed; empty where it can."""
    return {"command": _command, "option": _option, "setting": _setting, "stage": _stage}[what.kind](what)


def _command(what: Advice) -> str:
    words = what.what.split()
    name = ""
    while words and f"{name} {words[0]}".strip() in COMMANDS:
        name = f"{name} {words.pop(0)}".strip()
    known = COMMANDS[name]._option_string_actions
    for word in words:
        if word.startswith("--") and word.partition("=")[0] not in known:
            return f"`bench {name}` has no option {word}"
    choices = [action for action in COMMANDS[name]._actions if not action.option_strings and action.choices]
    first = next(iter(words), "")
    if choices and first.islower() and not first.startswith("-") and first not in (choices[0].choices or ()):
        return f"`bench {name}` takes no {first}"
    return "" if name or not first.islower() or first.startswith("-") else f"there is no command {first}"


def _option(what: Advice) -> str:
    if what.what in THEIRS:
        return ""
    file = what.where.partition(":")[0]
    only = [name for start, name in ONLY.items() if file.startswith(start)]
    only += [name for (start, option), name in NOT_ITS_OWN.items() if (start, option) == (file, what.what)]
    able = [name for name, one in COMMANDS.items() if what.what in one._option_string_actions]
    if not able:
        return f"no command has an option {what.what}"
    return "" if not only or set(only) & set(able) else f"`bench {only[0]}` has no option {what.what}"


def _setting(what: Advice) -> str:
    """By making a plan with it; parameters of plug-ins have to be some plug-in's."""
    first, *rest = what.what.split(".")
    if first not in Plan.model_fields:
        return f"no entry {first} of a recipe"
    if not rest:
        return _planned(first, Plan.model_fields[first].get_default(call_default_factory=True))
    if len(rest[0]) > 1 and rest[0].isupper():  # stands for any
        return ""
    kinds: tuple[Any, ...] = {"method": (Method,), "dataset": (FaceSource, PairSource)}.get(first, ())
    if kinds:
        models = [load(kind, name) for kind in kinds for name in own(kind)]
        fields = {field for model in models for field in model.model_fields} | {"use"}
        return "" if rest[0] in fields else f"no {first} has a parameter {rest[0]}"
    annotation = Plan.model_fields[first].annotation
    model = next((each for each in (annotation, *get_args(annotation)) if _is_model(each)), None)
    if model is None:
        return "" if str(annotation).startswith("dict") else f"{first} has no entries of its own"
    if rest[0] not in model.model_fields:
        return f"{first} has no entry {rest[0]}"
    default = model.model_fields[rest[0]].get_default(call_default_factory=True)
    return _planned(what.what, default) if annotation is model else ""


def _is_model(what: Any) -> bool:
    return isinstance(what, type) and issubclass(what, BaseModel)


def _planned(key: str, default: Any) -> str:
    plain = default.model_dump(mode="json") if isinstance(default, BaseModel) else default
    try:
        text = yaml.safe_dump(plain, default_flow_style=True, width=10**6).removesuffix("...\n").strip()
    except yaml.YAMLError:
        return ""
    try:
        plan(recipe="small", settings=[f"{key}={text}"])  # whose entries are the defaults where advice is of them
    except Exception as error:
        return f"--set {key}={text}: {error}"
    return ""


def _stage(what: Advice) -> str:
    return "" if what.what in STAGES else f"--force {what.what}: there is no such stage"


STAGES: set[str] = {"scan"}


@pytest.fixture(scope="module", autouse=True)
def stages(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The stages of two runs that have all there are."""
    store = Store(tmp_path_factory.mktemp("store"))
    for method, settings in (("facemae", ["identification=true"]), ("gan", [])):
        given = plan(method=method, attacks="all", settings=settings)
        laid = lay_out(given, open_data(given, store, root=Path("data")), store, device="cpu")
        STAGES.update(stage.name.partition("/")[0] for stage in laid.stages)


def test_advice_is_found() -> None:
    """Else all that follows would hold of nothing."""
    kinds = {
        kind: [each.what for each in ALL if each.kind == kind] for kind in ("command", "option", "setting", "stage")
    }
    assert len(set(kinds["command"])) > 10
    assert {"--resize", "--skip-bad", "--store", "--force"} <= set(kinds["option"])
    assert {"method.resize", "min_images", "recognizer.batch", "roles.P"} <= set(kinds["setting"])
    assert {"attack", "release"} <= set(kinds["stage"])


def test_every_advice_can_be_followed() -> None:
    found = [f"{each.where}: {says}" for each in ALL if (says := wrong(each))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "message",
    [
        "expected 112x112 pixels; set resized=true if they are squares",
        "expected one; set `recogniser.steps`",
        "set min_image: 2",
        "run again with --set recognizer.step=2000",
        "align them, or --set dataset.resizes=true",
        "pass over them with --skip-all",
        "see `bench lists attacks`",
        "see `bench list attackers`",
        "run `bench data check` first",
        "run `bench data convert --skip-bad`",
        "damaged; run with --force attacks",
        "name it in --set attack.embeder=FILE",
        "use --set method.compiled=false",
    ],
)
def test_advice_that_cannot_be_followed_is_told(message: str) -> None:
    (text,) = [text for _, text in messages(f"raise ValueError({message!r})")]
    assert any(wrong(each) for each in advice(text, "datasets/x.py:1"))


def test_an_option_of_another_command_cannot_be_followed() -> None:
    (found,) = advice("pass over such images with --skip-bad", "datasets/catalog/convert.py:1")
    assert wrong(found) == "`bench data convert` has no option --skip-bad"


def test_docstrings_are_no_messages_and_pieces_put_together_are_one() -> None:
    source = '"""Doc --not-this."""\ndef f(x):\n    """--nor-this"""\n    return f"run --st" f"ore {x} --out"\n'
    assert [text for _, text in messages(source)] == ["run --store {} --out"]
