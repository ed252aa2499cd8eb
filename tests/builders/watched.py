"""A child process that strace watches: whom it and its children call, what they look up, and where they write.

Python's audit hooks do not see what C++ does. Every attempt to reach anybody is made to fail, unless a test says
otherwise, so that a test of what would leave the machine sends nothing itself.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

SENDING = "connect,sendto,sendmsg,sendmmsg"
OPENING = "open,openat,openat2,creat"
WRITING = f"{OPENING},mkdir,mkdirat,mknod,mknodat,link,linkat,symlink,symlinkat,rename,renameat,renameat2"
LOOK_UPS = ('"/etc/hosts"', '"/etc/resolv.conf"')
"""The C library reads them for every name of a host."""
ACCOUNTS = "/var/run/nscd/socket"
"""Asked for the name of the user, too; a machine has no such service nowadays."""
NOWHERE = ("/dev/null", "/dev/tty", "/dev/shm/", "/proc/")
"""No files: memory that processes share, and the process itself."""

_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)(?:<(.*)>)?")
_INTERNET = re.compile(r'htons\((\d+)\).*?(?:inet_addr\("([^"]+)"|inet_pton\(AF_INET6, "([^"]+)")')
_LOCAL = re.compile(r'sa_family=AF_UNIX, sun_path=(@?"[^"]+")')
_PATH = re.compile(r'(?:<([^>]*)>, )?"([^"]*)"')


class Seen(NamedTuple):
    """What a child did."""

    done: subprocess.CompletedProcess[str]
    reached: list[str]
    """ADDRESS:PORT, or the path of a local socket, of everyone whom it tried to reach, without `ACCOUNTS`."""
    looked_up: bool
    """Whether it looked for the address of a host."""
    written: list[str]
    """Paths that it wrote or made elsewhere than in its folder and in the temporary one."""
    home: list[str]
    """What lies in its home folder, which was empty."""


def watch(command: Sequence[str], folder: Path, *, block: bool = True, timeout: float = 300) -> Seen:
    """Run a command in `folder / "here"` with a home and a temporary folder of its own, and no settings of the user's.

    The test is skipped where there is no strace, or where it may not watch.
    """
    _skip_without_strace()
    places = {name: folder / name for name in ("here", "home", "tmp", "trace")}
    for place in places.values():
        place.mkdir(exist_ok=True)
    environment = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "LANG") if name in os.environ} | {
        "HOME": str(places["home"]), "TMPDIR": str(places["tmp"]), "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1", "FACEBENCH_PRECISION": "float32",
    }  # fmt: skip
    watcher = ["strace", "-ff", "-y", "--seccomp-bpf", "-o", str(places["trace"] / "of"), "-e"]
    watcher += [f"trace={SENDING},{WRITING}", *(["-e", f"inject={SENDING}:error=ENETUNREACH"] if block else [])]
    done = subprocess.run(
        [*watcher, *command], cwd=places["here"], env=environment, capture_output=True, text=True, check=False,
        timeout=timeout, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    calls = [call for file in sorted(places["trace"].iterdir()) for call in _calls(file)]
    ours = tuple(f"{places[name].resolve()}" for name in ("here", "tmp"))
    written = {path for call in calls for path in _written(*call, str(places["here"].resolve()))}
    return Seen(
        done=done,
        reached=sorted({who for name, given, _, _ in calls if name in SENDING.split(",") for who in _reached(given)}),
        looked_up=any(path in given for name, given, _, _ in calls if name in OPENING.split(",") for path in LOOK_UPS),
        written=sorted(path for path in written if not _within(path, ours) and not path.startswith(NOWHERE)),
        home=sorted(str(path.relative_to(places["home"])) for path in places["home"].rglob("*")),
    )


def _skip_without_strace() -> None:
    if shutil.which("strace") is None:
        pytest.skip("no strace to watch a process with; install it (Debian, Ubuntu: apt install strace)")
    tried = subprocess.run(["strace", "-f", "--seccomp-bpf", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"strace may not watch here: {tried.stderr.strip()[-200:]}")


def _calls(trace: Path) -> Iterator[tuple[str, str, int, str]]:
    """System calls of one thread: name, arguments, result, and the path of a file that was opened."""
    for line in trace.read_text(errors="replace").splitlines():
        found = _CALL.match(line)
        if found:
            yield found[1], found[2], int(found[3]), found[4] or ""


def _reached(given: str) -> Iterator[str]:
    for port, four, six in _INTERNET.findall(given):
        yield f"{four or six}:{port}"
    for path in _LOCAL.findall(given):
        if path.strip('@"') != ACCOUNTS:
            yield path.strip('"')


def _written(name: str, given: str, result: int, opened: str, here: str) -> Iterator[str]:
    if result < 0 or name not in WRITING.split(","):
        return
    if name in OPENING.split(","):
        if name == "creat" or re.search("O_WRONLY|O_RDWR|O_CREAT", given):
            yield opened
        return
    for folder, path in _PATH.findall(given):
        yield os.path.normpath(Path(folder or here) / path)


def _within(path: str, folders: Sequence[str]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)
