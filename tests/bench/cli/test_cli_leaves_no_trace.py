"""A program that calls `main` finds its signal handlers, hooks, filters and environment as they were."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from facebench.bench.cli import list as listing
from facebench.bench.cli.main import BUG, OK, STOPPED, UNUSABLE, main

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)


def state() -> dict[str, Any]:
    """All that a command may change for the whole process."""
    last = logging.lastResort
    return {
        "signals": [signal.getsignal(number) for number in SIGNALS],
        "timer": signal.getitimer(signal.ITIMER_REAL),
        "hooks": [sys.excepthook, threading.excepthook, sys.unraisablehook],
        "warnings": [warnings.showwarning, warnings.formatwarning, list(warnings.filters)],
        "logging": [last and (last.formatter, list(last.filters)), list(logging.root.handlers), logging.root.level],
        "environment": dict(os.environ),
        "standard output": (os.fstat(1).st_dev, os.fstat(1).st_ino),
    }


def meddling(then: Callable[[], int]) -> Callable[[object], int]:
    """A command that meddles as libraries do when they are imported, and then ends somehow."""

    def do(args: object) -> int:
        sys.excepthook = threading.excepthook = sys.unraisablehook = print
        warnings.simplefilter("ignore")
        warnings.showwarning = print
        os.environ["OMP_PROC_BIND"] = "left behind"
        os.environ.pop("HOME", None)
        os.environ["PATH"] = "/changed"
        return then()

    return do


def raises(error: BaseException) -> Callable[[], int]:
    def then() -> int:
        raise error

    return then


def interrupted() -> int:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)
    return OK


def interrupted_and_deaf() -> int:
    """As by a library that swallows what its import raises: the command asks again in three seconds."""
    try:
        return interrupted()
    except KeyboardInterrupt:
        return OK


ENDINGS: dict[str, tuple[Callable[[], int], int]] = {
    "well": (lambda: OK, OK),
    "bad input": (raises(FileNotFoundError(2, "No such file or directory", "/x")), UNUSABLE),
    "an error of ours": (raises(KeyError("x")), BUG),
    "a closed pipe": (raises(BrokenPipeError()), OK),
    "Ctrl-C": (interrupted, STOPPED),
    "Ctrl-C that was swallowed": (interrupted_and_deaf, OK),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_all_is_as_before_however_a_command_ends(ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    then, code = ENDINGS[ending]
    monkeypatch.setattr(listing, "do", meddling(then))
    before = state()
    for _ in range(2):
        assert main(["list"]) == code
        assert state() == before


def test_all_is_as_before_where_an_error_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "do", meddling(raises(KeyError("x"))))
    before = state()
    with pytest.raises(KeyError):
        main(["--debug", "list"])
    assert state() == before
    for words in (["--help"], ["no such command"]):
        with pytest.raises(SystemExit):
            main(words)
        assert state() == before
    assert main(["compare", "\0"]) == UNUSABLE
    assert state() == before


def test_handlers_and_a_timer_of_the_caller_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test runner stops tests that hang by an alarm of its own, which a command neither takes for Ctrl-C nor ends."""
    heard: list[int] = []

    def hear(number: int, frame: object) -> None:
        heard.append(number)

    def work(args: object) -> int:
        deadline = time.monotonic() + 5
        while not heard and time.monotonic() < deadline:
            time.sleep(0.01)
        return OK

    kept = [signal.signal(number, hear) for number in SIGNALS]
    try:
        monkeypatch.setattr(listing, "do", work)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        assert main(["list"]) == OK
        assert heard == [signal.SIGALRM]
        assert [signal.getsignal(number) for number in SIGNALS] == [hear] * 3
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip(SIGNALS, kept, strict=True):
            signal.signal(number, handler)


@pytest.mark.slow
def test_real_commands_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny = ["synthetic.people=40", "synthetic.images=3", "synthetic.pairs=20", "recognizer.architecture=small",
            "recognizer.steps=2", "recognizer.batch=8", "judge.architecture=small", "judge.steps=2",
            "judge.batch=8"]  # fmt: skip
    before = state()
    for command, code in (
        (["run", "--method", "masking", "-q", "--attacks", "ignorant", "--set", *tiny], (0, 1)),
        (["run", "--method", "masking", "--set", "nothing=1"], (2,)),
        (["report", "--plot", "plane.png"], (0,)),
        (["verify"], (0,)),
        (["mirror", "-q"], (0,)),
    ):
        assert main(command) in code, command
        assert state() == before, command


def test_a_command_can_be_called_from_a_thread() -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main(["list", "recipes", "--format", "json"])))
    before = state()
    thread.start()
    thread.join(60)
    assert codes == [OK]
    assert state() == before


def test_a_second_ctrl_c_shows_no_traceback() -> None:
    script = """
        import os, signal, sys, time
        from facebench.bench.cli import list as listing, main as program

        def work(args):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)

        def say(words):  # while the first one is answered
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
            print(words)

        listing.do, program.say = work, say
        print(program.main(["list"]), flush=True)
        os.kill(os.getpid(), signal.SIGINT)  # is the caller's again
        time.sleep(10)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.startswith("stopped; ")
    assert done.stdout.endswith("\n130\n")
    assert done.returncode == -signal.SIGINT
