"""The command line. Nothing heavy is imported until a command needs it; results are printed here and nowhere else."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from .tracking_options import experiment_name, tracking

OK, FAILED, UNUSABLE, BUG, STOPPED = 0, 1, 2, 3, 130
"""Exit codes: done; a sanity bound failed; bad input; an error of ours; stopped by the user."""

_EPILOG = """\
the main job:
  bench run --method facemae --dataset casia
with nothing given, `bench run` runs facemae on synthetic faces: no download, no GPU, two minutes.
"""


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(
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
    _list(commands.add_parser("list", help="methods, attacks, metrics, recipes: what there is"))
    _data(commands.add_parser("data", help="datasets: list, verify, convert"))
    _check(commands.add_parser("check", help="compare records with a baseline; for CI", description=_CHECK))
    _mirror(commands.add_parser("mirror", help="send records to MLflow that are not there yet"))
    return top


_RUN = """Trains the method on some people, makes a private dataset of other people, trains a recognizer on it,
verifies that recognizer on ordinary faces, attacks the private dataset, and writes a record."""


_PRIVATIZE = """Makes a private dataset of all faces of another one, with a dataset card. Killed, it goes on where it
was when the same command is given again; the output appears whole or not at all."""


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
    command.add_argument("--protocol", choices=("unseen", "in-sample"), help="fit on other people, or on the same")
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    command.add_argument("--force", nargs="+", default=[], metavar="STAGE", help="make these stages again")
    command.add_argument("--dry-run", action="store_true", help="what would run, and what of it is cached")
    command.add_argument(
        "--skip-bad", action="store_const", const=True, help="pass over undecodable images and count them"
    )
    command.add_argument("--with-faces", action="store_true", help="let pictures of real faces leave the store")
    command.add_argument("--json", action="store_true", help="print the records")
    command.add_argument(
        "--system-metrics", action="store_true", help="track how busy processors, memory, disk and GPUs are"
    )
    for add in (_data_root, _store, tracking, _quiet):
        add(command)
    command.set_defaults(do=_do_run)


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
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of all randomness (0)")
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    command.add_argument("--workers", type=int, metavar="N", help="processes (one a core; 1 with a GPU)")
    command.add_argument("--shard-size", type=int, default=2048, metavar="N", help="faces that are kept at once (2048)")
    command.add_argument(
        "--shards", metavar="I/N", help="make the I-th of N parts only; without it, make what is missing and join all"
    )
    command.add_argument("--skip-bad", action="store_true", help="pass over undecodable images and count them")
    command.add_argument("--record", type=Path, metavar="FILE", help="a record of `bench run`, for the dataset card")
    command.add_argument(
        "--no-links", action="store_true", help="do not write OUT.manifest.parquet, which links faces to originals"
    )
    for add in (_data_root, _store, _quiet):
        add(command)
    command.set_defaults(do=_do_privatize)


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
    command.set_defaults(do=_do_report)


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
    command.set_defaults(do=_do_check)


def _list(command: argparse.ArgumentParser) -> None:
    command.add_argument("kind", nargs="?", choices=("methods", "attacks", "metrics", "datasets", "recipes"))
    command.add_argument("--json", action="store_true", help="machine-readable")
    command.set_defaults(do=_do_list)


def _data(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="known datasets, and which of them are here")
    _data_root(listing)
    listing.add_argument("--json", action="store_true", help="machine-readable")
    listing.set_defaults(do=_do_data_list)
    verify = actions.add_parser("verify", help="read every record and report what is wrong with it")
    verify.add_argument("dataset", metavar="NAME|PATH")
    verify.add_argument("--json", action="store_true", help="machine-readable")
    verify.set_defaults(do=_do_data_verify)
    convert = actions.add_parser("convert", help="pack to folder or folder to pack; the images' own bytes are copied")
    convert.add_argument("dataset", metavar="NAME|PATH")
    convert.add_argument("out", type=Path, metavar="OUT")
    convert.add_argument("--to", choices=("recordio", "folder"), required=True)
    convert.set_defaults(do=_do_data_convert)
    for action in (verify, convert):
        _data_root(action)
        _quiet(action)


def _mirror(command: argparse.ArgumentParser) -> None:
    for add in (_store, tracking, _quiet):
        add(command)
    command.set_defaults(do=_do_mirror)


def _do_run(args: argparse.Namespace) -> int:
    from .jobs import run_jobs

    return run_jobs(args, print)


def _do_privatize(args: argparse.Namespace) -> int:
    from .deploy import privatize

    print(privatize(args), end="")
    return OK


def _do_report(args: argparse.Namespace) -> int:
    if args.verify:
        from .audit import audit

        text, sound = audit(args)
        print(text, end="")
        return OK if sound else FAILED
    from .views import report

    text = report(args)
    if text:
        print(text, end="")
    return OK


def _do_check(args: argparse.Namespace) -> int:
    from .gate_command import check

    return check(args, lambda text: print(text, end=""), _say)


def _do_list(args: argparse.Namespace) -> int:
    from .views import listing

    print(listing(args.kind, as_json=args.json), end="")
    return OK


def _do_data_list(args: argparse.Namespace) -> int:
    from .views import dataset_list

    print(dataset_list(args.data, as_json=args.json), end="")
    return OK


def _do_data_verify(args: argparse.Namespace) -> int:
    from .views import dataset_check

    text, sound = dataset_check(args)
    print(text, end="")
    return OK if sound else FAILED


def _do_data_convert(args: argparse.Namespace) -> int:
    from .views import dataset_convert

    print(dataset_convert(args), end="")
    return OK


def _do_mirror(args: argparse.Namespace) -> int:
    from .tracked import mirror_all

    print(mirror_all(args), end="")
    return OK


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; what is wrong with the input is said in a sentence, never by a traceback.

    Returns:
        The exit code.
    """
    args = parser().parse_args(argv)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background job shall not hear Ctrl-C
            signal.signal(number, _stop)
    sys.unraisablehook = _ask_again
    try:
        return int(args.do(args))
    except KeyboardInterrupt:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _say("stopped; nothing half-made was kept, finished stages were. Run the same command again to go on")
        if argv is None:  # a command of its own: do not wait for threads that have nothing left to do
            sys.stdout.flush()
            os._exit(STOPPED)
        return STOPPED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except MemoryError:
        _say("error: not enough memory; lower the batch (--set recognizer.batch=...) or free some")
        return UNUSABLE
    except Exception as error:
        if args.debug:
            raise
        if type(error).__module__.startswith(__name__.partition(".")[0] + ".") or isinstance(error, OSError):
            _say(f"error: {error}")
            return UNUSABLE
        name = type(error).__name__
        _say(f"error of facebench: {name}: {error}\nplease report it, with what `bench --debug` says")
        return BUG


def _stop(number: int, frame: FrameType | None) -> None:
    """Stop, and ask again in three seconds: libraries that are just being imported may swallow the first time."""
    signal.setitimer(signal.ITIMER_REAL, 3)
    raise KeyboardInterrupt


def _ask_again(lost: sys.UnraisableHookArgs) -> None:
    """Repeat a Ctrl-C that came in a place from which Python lets no exception out.

    Imports are full of such places (weak references of module locks), and importing torch takes seconds.
    """
    if issubclass(lost.exc_type, KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, 0.05)
    else:
        sys.__unraisablehook__(lost)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
