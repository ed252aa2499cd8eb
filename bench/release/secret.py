"""The secret key of a release: drawn from the operating system, kept by the owner, in no file that leaves."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from ...datasets.files.regular import open_regular
from .job import DeployError

if TYPE_CHECKING:
    from .job import Job

_MOST = 256
_LEAST = 8
"""Different bytes: 32 random ones have fewer once in 10^30."""


def draw(path: Path) -> bytes:
    """The key in a file that only its owner can read; made anew where there is none, by one process alone.

    Raises:
        DeployError: what is there is no key, or others can read it.
        OSError: the file cannot be written.
    """
    if not path.exists():
        partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
        file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(file, "w", encoding="ascii") as content:
                content.write(secrets.token_bytes(32).hex() + "\n")
                content.flush()
                os.fsync(content.fileno())
            _put_first(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    return read(path)


def _put_first(partial: Path, path: Path) -> None:
    """Give a file its name, whole, unless another process was there before."""
    try:
        os.link(partial, path)
    except FileExistsError:
        return
    except OSError:  # no links on this file system
        if not path.exists():
            partial.replace(path)


def read(path: Path) -> bytes:
    """The key in a file.

    Raises:
        DeployError: it is missing, no key, or can be read by others.
    """
    try:
        with open_regular(path) as file:
            status, text = os.fstat(file.fileno()), file.read(_MOST)
    except OSError as error:
        raise DeployError(f"key {path}: cannot be read ({error.strerror or error}); check the path") from error
    if os.name == "posix" and (status.st_mode & 0o077 or status.st_uid != os.geteuid()):
        raise DeployError(
            f"{path}: expected the secret key of a release that only you can read, got mode "
            f"{status.st_mode & 0o777:04o}{'' if status.st_uid == os.geteuid() else ', of another user'}; "
            f"whoever read it can undo the release: make a new one, or `chmod 600 {path}` if nobody did"
        )
    if not re.fullmatch(rb"[0-9a-f]{64}\s*", text):
        raise DeployError(
            f"{path}: expected a release's key, 64 hexadecimal digits, got something else; take the file that "
            "`bench privatize` wrote, or leave --key out to have one drawn"
        )
    key = bytes.fromhex(text.split()[0].decode("ascii"))
    if len(set(key)) < _LEAST:
        raise DeployError(f"{path}: expected 32 random bytes, got a pattern that anybody tries; leave --key out")
    return key


def identifier(key: bytes) -> str:
    """A name of the key that tells nothing of it: shards of two keys are never joined."""
    from ...facemae.runtime.randomness import derived

    return derived(key, purpose="identifier").hex()[:32]


def of_release(key: bytes, job: Job) -> bytes:
    """The key of the private faces: other parameters or other originals share no random number, whatever the key.

    The same faces in another encoding or layout share all of them: two masks of one photo would show more of it.
    """
    from ...facemae.runtime.randomness import derived

    return derived(key, job.chance.encode(), purpose="release")
