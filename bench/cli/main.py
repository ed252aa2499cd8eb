"""The command line. Nothing heavy is imported until a command needs it; results are printed here and nowhere else."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from types import FrameType

from ..store import system_errors
from ..terminal import printing
from .arguments import parser

OK, FAILED, UNUSABLE, BUG, STOPPED = 0, 1, 2, 3, 130
"""Exit codes: done; a sanity bound failed; bad input; an error of ours; stopped by the user."""


def _do_run(args: argparse.Namespace) -> int:
    from .run import run_jobs

    return run_jobs(args, lambda text: _show(text + "\n"))


def _do_privatize(args: argparse.Namespace) -> int:
    from ..release.privatize import privatize

    _show(privatize(args))
    return OK


def _do_report(args: argparse.Namespace) -> int:
    if args.verify:
        from ..audit.audit import audit

        text, sound = audit(args)
        _show(text)
        return OK if sound else FAILED
    from .report import report

    text = report(args)
    if text:
        _show(text)
    return OK


def _do_compare(args: argparse.Namespace) -> int:
    from .compare import run

    _show(run(args))
    return OK


def _do_check(args: argparse.Namespace) -> int:
    from .check import check

    return check(args, _show, _say)


def _do_list(args: argparse.Namespace) -> int:
    from .report import listing

    _show(listing(args.kind, as_json=args.json))
    return OK


def _do_data_list(args: argparse.Namespace) -> int:
    from .report import dataset_list

    _show(dataset_list(args.data, as_json=args.json))
    return OK


def _do_data_verify(args: argparse.Namespace) -> int:
    from .data_verify import dataset_check

    text, sound = dataset_check(args)
    _show(text)
    return OK if sound else FAILED


def _do_data_convert(args: argparse.Namespace) -> int:
    from .report import dataset_convert

    _show(dataset_convert(args))
    return OK


def _do_mirror(args: argparse.Namespace) -> int:
    from .mirror import mirror_all

    _show(mirror_all(args))
    return OK


_DO: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _do_run,
    "privatize": _do_privatize,
    "report": _do_report,
    "compare": _do_compare,
    "check": _do_check,
    "list": _do_list,
    "data_list": _do_data_list,
    "data_verify": _do_data_verify,
    "data_convert": _do_data_convert,
    "mirror": _do_mirror,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; what is wrong with the input is said in a sentence, never by a traceback.

    Returns:
        The exit code.
    """
    args = parser().parse_args(argv)
    if any("\0" in text for text in argv or ()):
        _say("error: an option holds a zero byte, which no path and no name can hold; write it without")
        return UNUSABLE
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background job shall not hear Ctrl-C
            signal.signal(number, _stop)
    sys.unraisablehook = _ask_again
    try:
        with printing.guarded():
            return _DO[args.do](args)
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
    except Exception as error:
        if args.debug and argv is None:  # a command of its own: a traceback, too, quotes what others wrote
            _say("".join(traceback.format_exception(error)))
        elif args.debug:
            raise
        return _told(error, args.do)


def _told(error: Exception, command: str) -> int:
    """Say what went wrong; the exit code."""
    if says := system_errors.told(error, command):
        _say(printing.error(f"error: {says}"))
        return UNUSABLE
    _say(printing.error(f"error of facebench: {type(error).__name__}: {error}"))
    _say("please report it, with what `bench --debug` says")
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


def _show(text: str) -> None:
    """Print results; nothing else prints, here or elsewhere, but `_say`."""
    print(printing.printable(text), end="")


def _say(text: str) -> None:
    print(printing.printable(text), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
