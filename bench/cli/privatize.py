"""`bench privatize`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..terminal.printing import show
from . import arguments

if TYPE_CHECKING:
    from .arguments import Commands

_ABOUT = """Makes a private dataset of all faces of another one, with a dataset card. Killed, it goes on where it was
when the same command is given again; the output appears whole or not at all."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = commands.add_parser("privatize", help="make a dataset private, to share it", description=_ABOUT)
    command.usage = "bench privatize IN OUT [options]"  # behind --set, which takes several, they would be settings
    command.add_argument("dataset", metavar="IN", help="a card's name, a pack, a folder of people, or a plug-in")
    command.add_argument("out", type=Path, metavar="OUT", help="the folder to make")
    command.add_argument("--method", metavar="NAME", help="not needed where --fitted tells it")
    command.add_argument(
        "--fitted", metavar="STAGE|FILE", help="what a method learned: a folder of `bench run`, its key, or one file"
    )
    command.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="parameters: method.ratio=0.5, dataset.root=DIR",
    )
    command.add_argument("--to", choices=("recordio", "folder"), default="recordio", help="layout (recordio)")
    command.add_argument("--encoding", choices=("png", "jpeg"), default="png", help="of the images (png)")
    command.add_argument("--seed", type=int, help=argparse.SUPPRESS)  # refused, with the reason
    command.add_argument(
        "--key", type=Path, metavar="FILE",
        help="the secret key of the release (drawn anew, and kept in OUT.key); parts made on several machines need one",
    )  # fmt: skip
    arguments.device(command)
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
    for option in (arguments.resize, arguments.data_root, arguments.store, arguments.quiet):
        option(command)
    command.set_defaults(do=do)


def do(args: argparse.Namespace) -> int:
    """Make a dataset private, or some of its shards.

    Raises:
        Every error of `release.privatize`; what was finished before is kept.
    """
    from ..release.privatize import privatize

    show(privatize(args))
    return 0
