"""Memory that does not suffice: known by any of the errors that say it, and told with what to set smaller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ... import FacebenchError

_SAYS = ("can't allocate memory", "out of memory", "cannot allocate memory", "std::bad_alloc", "failed to allocate")
"""In errors of torch and onnxruntime, which have no class of their own on a CPU."""
_STAGES = {
    "teacher": "--set teacher.batch=N",
    "fit": "--set method.batch=N, where the method has one",
    "release": "fewer people: --set roles.P=SHARE",
    "train": "--set recognizer.batch=N",
    "judge": "--set judge.batch=N",
    "judge-2": "--set judge.batch=N",
    "apply": "--set known_faces=N",
    "embed": "fewer people: --set roles.P=SHARE, known_faces=N",
    "attack": "--set known_faces=N, judge.batch=N, or the attack's own batch",
}
_COMMANDS = {
    "run": "--set recognizer.batch=N",
    "privatize": "--workers N, or --shard-size N",
    "data_verify": "the part of the data that is checked at once",
}


class OutOfMemory(FacebenchError, RuntimeError):
    """A stage for which the memory does not suffice; the message says which, and what to set smaller."""


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory, of the processor or of a GPU."""
    if isinstance(error, MemoryError):
        return True
    says = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in says for words in _SAYS)


@contextmanager
def of_stage(name: str) -> Iterator[None]:
    """Tell of a stage that its memory did not suffice; every other error passes as it is.

    Raises:
        OutOfMemory: it did not.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, OutOfMemory) or not lacks_memory(error):
            raise
        smaller = _STAGES.get(name.partition("/")[0], "the batch, or the number of faces")
        raise OutOfMemory(
            f"stage {name}: not enough memory ({_line(error)}); set smaller: {smaller}; or free memory, then run "
            "the same command again: finished stages are kept"
        ) from error


def told(error: BaseException, command: str) -> str | None:
    """What to say of an error that ends a command for want of memory; None where it is another one."""
    if isinstance(error, OutOfMemory):
        return str(error)
    if not lacks_memory(error):
        return None
    smaller = _COMMANDS.get(command)
    return f"not enough memory ({_line(error)}); " + (f"set smaller: {smaller}; or " if smaller else "") + "free memory"


def _line(error: BaseException) -> str:
    return (str(error).partition("\n")[0] or type(error).__name__)[:160]
