"""The commands and their options."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ..terminal.printing import Parser
from .tracking_arguments import experiment_name, tracking

_EPILOG = """\
the main job:
  bench run --method facemae --dataset casia
with nothing given, `bench run` runs facemae on synthetic faces: no download, no GPU, two minutes.
"""


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = Parser(
        prog="bench",
        description="How much of a face dataset's worth is left after it was made private, and how much of its "
        "people can still be found.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--debug", action="store_true", help="show a traceback for every error")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _run(commands.add_parser("run", help="make a dataset private and measure it", description=_RUN))
    _privatize(commands.add_parser("privatize", help="make a dataset private, to share it", description=_PRIVATIZE))
    _report(commands.add_parser("report", help="the leaderboard, from the records"))
    _compare(commands.add_parser("compare", help="methods two by two, with tests", description=_COMPARE))
    _list(commands.add_parser("list", help="methods, attacks, metrics, recipes: what there is"))
    _data(commands.add_parser("data", help="datasets: list, verify, convert"))
    _check(commands.add_parser("check", help="compare records with a baseline; for CI", description=_CHECK))
    _mirror(commands.add_parser("mirror", help="send records to MLflow that are not there yet"))
    return top


_RUN = """Trains the method on some people, makes a private dataset of other people, trains a recognizer on it,
verifies that recognizer on ordinary faces, attacks the private dataset, and writes a record."""


_PRIVATIZE = """Makes a private dataset of all faces of another one, with a dataset card. Killed, it goes on where it
was when the same command is given again; the output appears whole or not at all."""


_COMPARE = """Compares methods that were run on equal data by an equal recipe with equal seeds: accuracy on the same
pairs, leakage on the same probes, with intervals and p-values, adjusted for the number of comparisons."""


_CHECK = """Gives a verdict on every number of a baseline. Exit code 0: all as good or better; 1: something became worse
by more than its tolerance and more than chance; 2: something could not be measured or compared."""


def _store(command: argparse.ArgumentParser) -> None:
    command.add_argument("--store", type=Path, default=Path("runs"), metavar="DIR", help="stages and records (runs)")


def _quiet(command: argparse.ArgumentParser) -> None:
    command.add_argument("-q", "--quiet", action="store_true", help="no progress")


def _data_root(command: argparse.ArgumentParser) -> None:
    default = Path(os.environ.get("FACEBENCH_DATA", "data"))
    command.add_argument(
        "--data", type=Path, default=default, metavar="DIR", help="where datasets lie ($FACEBENCH_DATA, or data)"
    )


def _run(command: argparse.ArgumentParser) -> None:
    command.add_argument("--method", nargs="+", metavar="NAME", help="one or more (facemae)")
    command.add_argument(
        "--dataset", metavar="NAME|PATH", help="a card's name, a pack, or a folder of people (synthetic)"
    )
    command.add_argument("--recipe", metavar="NAME|FILE", help="quick, standard, paper, or a YAML file (quick)")
    command.add_argument("--seed", nargs="+", type=int, metavar="N", help="one or more (0)")
    command.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="any entry of a recipe"
    )
    command.add_argument("--experiment", type=Path, metavar="FILE", help="a YAML file with entries of a run")
    command.add_argument(
        "--attacks", nargs="+", metavar="NAME", help="instead of the recipe's; `all` for all, see `bench list attacks`"
    )
    command.add_argument("--protocol", choices=("unseen", "in-sample"), help="fit on other people, or on the same")
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    command.add_argument("--force", nargs="+", default=[], metavar="STAGE", help="make these stages again")
    command.add_argument("--dry-run", action="store_true", help="what would run, and what of it is cached")
    command.add_argument(
        "--skip-bad", action="store_const", const=True, help="pass over undecodable images and count them"
    )
    command.add_argument(
        "--groups",
        metavar="FILE",
        help="a table (CSV, Parquet) of the faces' groups: leakage for each, see docs/groups.md",
    )
    command.add_argument("--json", action="store_true", help="print the records")
    command.add_argument(
        "--system-metrics", action="store_true", help="track how busy processors, memory, disk and GPUs are"
    )
    for add in (_data_root, _store, tracking, _quiet):
        add(command)
    command.set_defaults(do="run")


def _privatize(command: argparse.ArgumentParser) -> None:
    command.usage = "bench privatize IN OUT [options]"  # behind --set, which takes several, they would be settings
    command.add_argument("dataset", metavar="IN", help="a card's name, a pack, or a folder of people")
    command.add_argument("out", type=Path, metavar="OUT", help="the folder to make")
    command.add_argument("--method", metavar="NAME", help="not needed where --fitted tells it")
    command.add_argument(
        "--fitted", metavar="STAGE|FILE", help="what a method learned: a folder of `bench run`, its key, or one file"
    )
    command.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="parameters: method.ratio=0.5"
    )
    command.add_argument("--to", choices=("recordio", "folder"), default="recordio", help="layout (recordio)")
    command.add_argument("--encoding", choices=("png", "jpeg"), default="png", help="of the images (png)")
    command.add_argument("--seed", type=int, help=argparse.SUPPRESS)  # refused, with the reason
    command.add_argument(
        "--key", type=Path, metavar="FILE",
        help="the secret key of the release (drawn anew, and kept in OUT.key); parts made on several machines need one",
    )  # fmt: skip
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    command.add_argument("--workers", type=int, metavar="N", help="processes (one a core; 1 with a GPU)")
    command.add_argument("--shard-size", type=int, default=2048, metavar="N", help="faces that are kept at once (2048)")
    command.add_argument(
        "--shards", metavar="I/N", help="make the I-th of N parts only; without it, make what is missing and join all"
    )
    command.add_argument("--skip-bad", action="store_true", help="pass over undecodable images and count them")
    command.add_argument("--record", type=Path, metavar="FILE", help="a record of `bench run`, for the dataset card")
    command.add_argument(
        "--no-links",
        action="store_true",
        help="keep neither OUT.manifest.parquet, which links faces to originals, nor the key, OUT.key",
    )
    for add in (_data_root, _store, _quiet):
        add(command)
    command.set_defaults(do="privatize")


def _report(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", choices=("md", "csv", "json", "latex", "html"), default="md")
    command.add_argument("--compact", action="store_true", help="narrow tables, for a README (md, latex)")
    command.add_argument(
        "--verify",
        action="store_true",
        help="check the records instead: digests, sums, and metrics from what the store kept",
    )
    command.add_argument(
        "--out", type=Path, metavar="FILE", help="write there instead of to the screen (html: leaderboard.html)"
    )
    command.add_argument("--plot", type=Path, metavar="FILE", help="also draw the privacy-utility plane, a PNG file")
    where = command.add_mutually_exclusive_group()
    where.add_argument("--records", type=Path, metavar="DIR", help="records of another folder than the store's")
    where.add_argument("--from-mlflow", metavar="URI", help="records of an MLflow server, where many may keep theirs")
    experiment_name(command)
    _store(command)
    command.set_defaults(do="report")


def _compare(command: argparse.ArgumentParser) -> None:
    command.add_argument("methods", nargs="*", metavar="METHOD", help="names, or labels of the board (all)")
    command.add_argument("--against", metavar="METHOD", help="compare the others with this one only")
    command.add_argument("--records", type=Path, metavar="DIR", help="records of another folder than the store's")
    command.add_argument("--format", choices=("md", "csv", "json"), help="instead of a table for the screen")
    command.add_argument("--out", type=Path, metavar="FILE", help="write there instead of to the screen (md)")
    _store(command)
    command.set_defaults(do="compare")


def _check(command: argparse.ArgumentParser) -> None:
    command.add_argument("--baseline", type=Path, required=True, metavar="FILE", help="what is expected")
    command.add_argument("--records", type=Path, metavar="DIR", help="records of another folder than the store's")
    command.add_argument(
        "--tolerance", nargs="+", action="extend", default=[], metavar="NAME=AMOUNT",
        help="how much worse is still as good: accuracy=0.5pp,leakage=1pp; with --update it is kept in the baseline",
    )  # fmt: skip
    command.add_argument("--update", action="store_true", help="write the baseline from the records")
    command.add_argument(
        "--waive", nargs="+", action="extend", default=[], metavar="BOUND",
        help="with --update: sanity bounds that records may fail, by name",
    )  # fmt: skip
    command.add_argument("--junit", type=Path, metavar="FILE", help="also write JUnit XML")
    command.add_argument(
        "--summary", type=Path, metavar="FILE", help="also write Markdown (default: add it to $GITHUB_STEP_SUMMARY)"
    )
    command.add_argument("--json", action="store_true", help="machine-readable")
    _store(command)
    command.set_defaults(do="check")


def _list(command: argparse.ArgumentParser) -> None:
    command.add_argument("kind", nargs="?", choices=("methods", "attacks", "metrics", "datasets", "recipes"))
    command.add_argument("--json", action="store_true", help="machine-readable")
    command.set_defaults(do="list")


def _data(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="known datasets, and which of them are here")
    _data_root(listing)
    listing.add_argument("--json", action="store_true", help="machine-readable")
    listing.set_defaults(do="data_list")
    verify = actions.add_parser("verify", help="read every record and every verification set, and report what is wrong")
    verify.add_argument("dataset", metavar="NAME|PATH", help="a dataset, or one .bin file")
    verify.add_argument("--json", action="store_true", help="machine-readable")
    verify.add_argument(
        "--write-sums",
        action="store_true",
        help="if all is good, write a digest of every record beside the data; reading then compares with it",
    )
    verify.set_defaults(do="data_verify")
    convert = actions.add_parser("convert", help="pack to folder or folder to pack; the images' own bytes are copied")
    convert.add_argument("dataset", metavar="NAME|PATH")
    convert.add_argument("out", type=Path, metavar="OUT")
    convert.add_argument("--to", choices=("recordio", "folder"), required=True)
    convert.set_defaults(do="data_convert")
    for action in (verify, convert):
        _data_root(action)
        _quiet(action)


def _mirror(command: argparse.ArgumentParser) -> None:
    for add in (_store, tracking, _quiet):
        add(command)
    command.set_defaults(do="mirror")
