"""The command line: dispatch, exit codes, and what is said of errors.

Every command is a file of this folder, with its options (`add`) and what it does (`do`). Nothing heavy is imported
until a command needs it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ..store import system_errors
from ..terminal import printing
from ..terminal.parser import Parser
from ..terminal.printing import say
from . import assess, check, compare, data, mirror, privatize, report, run, show, verify
from . import list as listing

OK, FAILED, UNUSABLE, BUG, STOPPED = 0, 1, 2, 3, 130
"""Exit codes: done; what was measured or checked is not sound; bad input; an error of ours; stopped by the user."""
COMMANDS = (run, privatize, assess, report, verify, compare, listing, show, data, check, mirror)
"""In the order of `bench --help`."""
_EPILOG = """\
the main job:
  bench run --method facemae --dataset casia
with nothing given, `bench run` shows what the suite is for, on synthetic faces: four methods, a table, a picture.
No download, no GPU, some four minutes on two cores.
"""


class _Version(argparse.Action):
    """Asks what is installed only when somebody wants to know."""

    def __init__(self, option_strings: Sequence[str], dest: str, **more: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, **more)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("facebench")
        except PackageNotFoundError:  # run from a folder
            found = "of a checkout that is not installed"
        printing.show(f"facebench {found}, Python {sys.version.split()[0]}\n")
        parser.exit()


def parser() -> Parser:
    """All commands and their options."""
    top = Parser(
        prog="bench",
        description="How much of a face dataset's worth is left after it was made private, and how much of its "
        "people can still be found.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action=_Version, help="the version of facebench, and of Python")
    top.add_argument("--debug", action="store_true", help="show a traceback for every error")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    for command in COMMANDS:
        command.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; what is wrong with the input is said in a sentence, never by a traceback.

    Where it is called by a program it leaves that program's signal handlers, hooks, filters and environment as they
    were, also where it raises.

    Args:
        argv: the command's words; by default those that the process was started with.

    Returns:
        The exit code.

    Raises:
        SystemExit: help was asked for, or the words are no command of ours.
        Exception: any error, where a program asks for it with `--debug`.
    """
    args = parser().parse_args(argv)
    if any("\0" in text for text in argv or ()):
        say("error: an option holds a zero byte, which no path and no name can hold; write it without")
        return UNUSABLE
    with _all_as_before(), _interruptible(), printing.guarded():
        return _run(args.do, args, alone=argv is None)


def _run(do: Callable[[argparse.Namespace], int], args: argparse.Namespace, *, alone: bool) -> int:
    """Do what a command does; the exit code.

    Args:
        do: the command.
        args: its options.
        alone: whether the process is there for this command only.
    """
    try:
        return do(args)
    except KeyboardInterrupt:
        _hear_no_more()
        say("stopped; nothing half-made was kept, finished stages were. Run the same command again to go on")
        if alone:  # do not wait for threads that have nothing left to do
            sys.stdout.flush()
            os._exit(STOPPED)
        return STOPPED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        if alone:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        if args.debug and not alone:
            raise
        if args.debug:
            say("".join(traceback.format_exception(error)))  # a traceback, too, quotes what others wrote
        return _told(error, "_".join(filter(None, (args.command, getattr(args, "action", None)))))


def _told(error: Exception, command: str) -> int:
    """Say what went wrong; the exit code."""
    if says := system_errors.told(error, command):
        say(printing.error(f"error: {says}"))
        return UNUSABLE
    say(printing.error(f"error of facebench: {type(error).__name__}: {error}"))
    say("please report it, with what `bench --debug` says")
    return BUG


@contextmanager
def _all_as_before() -> Iterator[None]:
    """Undo what libraries change for a whole process when they are imported or used."""
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    environment = dict(os.environ)
    try:
        with warnings.catch_warnings():
            yield
    finally:
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update({name: value for name, value in environment.items() if os.environ.get(name) != value})


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C and a polite kill end the command, wherever they come; the caller's own handlers are back afterwards.

    Python lets only the main thread have handlers; elsewhere the caller has to answer signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # a shell's background job shall not hear Ctrl-C; and None, a handler that is not Python's, could not be put back
    ours = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    alarm = signal.getsignal(signal.SIGALRM)
    for number in ours:
        signal.signal(number, _stop)
    sys.unraisablehook = _ask_again  # `_all_as_before` puts the caller's back
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
        if signal.getsignal(signal.SIGALRM) is _stop:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, alarm or signal.SIG_DFL)


def _stop(number: int, frame: FrameType | None) -> None:
    """Stop, and ask again in three seconds: libraries that are just being imported may swallow the first time."""
    _again(3)
    raise KeyboardInterrupt


def _again(seconds: float) -> None:
    signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _hear_no_more() -> None:
    """A command that is stopping is not stopped once more: an impatient second Ctrl-C would show a traceback."""
    if threading.current_thread() is threading.main_thread():
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is _stop:
                signal.signal(number, signal.SIG_IGN)


def _ask_again(lost: sys.UnraisableHookArgs) -> None:
    """Repeat a Ctrl-C that came in a place from which Python lets no exception out.

    Imports are full of such places (weak references of module locks), and importing torch takes seconds.
    """
    if issubclass(lost.exc_type, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
        _again(0.05)
    else:
        sys.__unraisablehook__(lost)


if __name__ == "__main__":
    sys.exit(main())
