"""Where a private dataset is made: beside its output, under a lock, with a note of what is being made there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from pydantic import ValidationError

from ...datasets.files.regular import read_regular
from ...methods.parts.fitted_file import MODEL
from ...methods.parts.private_pack import MANIFEST
from ...reports.result.locks import NO_LOCKS, locked, without_locks
from ..store.system_errors import FORBIDDEN, FULL, room
from . import secret
from .job import DeployError, Job, Slice

_JOB = "job.json"
_SCAN = "scan.json"
_KEY = "release.key"
_MOST = 2**30


class Workplace:
    """The folder in which shards wait, and the way from there to the output."""

    MARK: ClassVar[str] = "facebench_release"
    """In the schema of a manifest: the key of the job that made it."""

    def __init__(self, out: Path, part: Slice, *, links: bool) -> None:
        """Nothing is made yet.

        Args:
            out: the folder of the finished dataset.
            part: which shards are made here.
            links: whether to write, beside it, which original each private face was made from.

        Raises:
            DeployError: no folder can have that name.
        """
        if out.name in ("", ".."):
            raise DeployError(f"{out}: expected the path of a folder to make, with its name; got none")
        self.out = out
        self.folder = out.with_name(f".{out.name}.shards")
        self.links = out.with_name(f"{out.name}.{MANIFEST}") if links else None
        """The manifest that is not to be shared."""
        self.key = out.with_name(f"{out.name}.key")
        """The secret key of the release, kept where the manifest is."""
        self.drawn = self.folder / _KEY
        """The same, while the shards are made."""
        self._part = part

    def secret(self) -> bytes:
        """The key of the release: of the finished one, of what is being made, or a new one.

        Raises:
            DeployError: it cannot be read, or the finished release's is not there.
        """
        if self.key.exists() and self.links is not None:
            return secret.read(self.key)
        if (taken := self._taken()) and not self.drawn.exists():
            raise DeployError(
                f"{taken[0]}: it is there, and its secret key ({self.key.name}) is not, so nobody can tell whether "
                "this command made it; remove it or choose another output"
            )
        self._make_folder()
        return secret.draw(self.drawn)

    def _make_folder(self) -> None:
        """The folder of the shards, for its owner alone, also where somebody made it before.

        Raises:
            DeployError: it is somebody else's.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix" and self.folder.stat().st_uid != os.geteuid():
            raise DeployError(f"{self.folder}: it belongs to another user; choose another output")
        self.folder.chmod(0o700)

    def refuse_others(self, originals: Path | None) -> None:
        """Refuse an output that is taken, or that would stand among the originals.

        Raises:
            DeployError: it is.
        """
        if originals is not None and self.out.resolve().is_relative_to(originals.resolve()):
            raise DeployError(f"{self.out}: it lies inside the originals, {originals}; choose another output")
        for path in self._taken():
            if self._mark(path) is None:
                raise DeployError(f"{path}: it is there, and not made by bench privatize; remove it or choose another")

    def is_finished(self, release: str) -> bool:
        """Whether the output is there, made by this very command.

        Raises:
            DeployError: it was made by another one.
        """
        for path in self._taken():
            if self._mark(path) != release:
                raise DeployError(
                    f"{path}: it is there, made by another command (other faces, method, key, device, encoding, "
                    "layout or record); remove it or choose another output"
                )
        return self.out.exists()

    def _taken(self) -> list[Path]:
        return [path for path in (self.out, self.links) if path and (path.exists() or path.is_symlink())]

    def scanned(self, faces: str) -> list[int] | None:
        """The images that an earlier try at this output found to be damaged; None where there was none."""
        try:
            kept = json.loads(read_regular(self.folder / _SCAN, most=_MOST))
            return [int(face) for face in kept["damaged"]] if kept["faces"] == faces else None
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None

    @contextmanager
    def held(self, job: Job, damaged: Sequence[int]) -> Iterator[None]:
        """Hold the folder for this job. If it fails before any shard was finished, nothing is left of it.

        Raises:
            DeployError: another process works on it, or shards of another job are in it.
        """
        from filelock import Timeout

        if self.folder.is_dir() and not (self.folder / _JOB).is_file() and self._strange():
            raise DeployError(f"{self.folder}: expected shards, got a folder of something else; choose another output")
        self._make_folder()
        try:
            with locked(self.folder / f"{self._part.tag}.lock", timeout=0):
                self._note(job)
                self._put(_SCAN, json.dumps({"faces": job.faces, "damaged": list(damaged)}))
                try:
                    yield
                except BaseException:
                    if self._part.of == 1 and not any(self.folder.glob("*.npz")):
                        self.clear()
                    raise
        except Timeout:
            raise DeployError(
                f"{self.folder}: another process is just making this dataset; wait for it, or stop it"
            ) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            raise DeployError(without_locks(self.folder, error)) from error

    def fitted(self, path: Path | None) -> Path:
        """The folder to give to `Method.publish`: a single file gets a folder in which it has the name it needs."""
        if path is None or path.is_dir():
            return path or Path()
        folder = self.folder / f"fitted-{self._part.tag}"
        folder.mkdir(exist_ok=True)
        link = folder / MODEL
        link.unlink(missing_ok=True)
        link.symlink_to(path.resolve())
        return folder

    def empty(self) -> tuple[Path, Path]:
        """An empty folder for the dataset, and a path for the manifest that is not to be shared."""
        out = self.folder / "joined"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        return out, self.folder / MANIFEST

    def publish(self, out: Path, links: Path, *, drawn: bool) -> None:
        """Bring what was made to where it was asked for; the output comes last, at once.

        Args:
            out: the dataset.
            links: the manifest that is not to be shared.
            drawn: whether its key is the one that was drawn here.

        Raises:
            DeployError: somebody took the place meanwhile.
        """
        if self.out.exists():
            raise DeployError(f"{self.out}: it was made by somebody else meanwhile; choose another output")
        if self.links is not None:
            links.replace(self.links)
            if drawn and self.drawn.exists():
                self.drawn.replace(self.key)
        self.drawn.unlink(missing_ok=True)  # before anybody can have the release
        out.rename(self.out)

    def clear(self) -> None:
        """Remove the shards, and a key that nothing was made with."""
        if (self.folder / _JOB).is_file() or (self.folder.is_dir() and not self._strange()):  # else it is not ours
            shutil.rmtree(self.folder, ignore_errors=True)

    def _note(self, job: Job) -> None:
        """Write down what is made here, or compare with what was."""
        path = self.folder / _JOB
        if path.is_file() and any(self.folder.glob("*.npz")):
            try:
                with path.open("rb") as file:
                    other = Job.model_validate_json(file.read(_MOST))
            except (ValidationError, ValueError):
                raise DeployError(f"{path}: cannot be read; delete the folder or choose another output") from None
            differs = [name for name in Job.model_fields if getattr(other, name) != getattr(job, name)]
            if differs:
                was = ", ".join(f"{name} {getattr(other, name)!r:.60}" for name in differs)
                now = ", ".join(f"{name} {getattr(job, name)!r:.60}" for name in differs)
                raise DeployError(
                    f"{self.folder}: holds shards of another command, with {was}, not {now}; finish that one, delete "
                    "the folder, or choose another output"
                )
        self._put(_JOB, job.model_dump_json())

    def _put(self, name: str, content: str) -> None:
        partial = self.folder / f".{name}.{self._part.tag}.part"
        partial.write_text(content, encoding="utf-8")
        partial.replace(self.folder / name)

    def _strange(self) -> bool:
        return any(entry.suffix not in (".lock", ".part", ".key") for entry in self.folder.iterdir())

    def _mark(self, path: Path) -> str | None:
        """The key in a dataset's manifest; None where there is none."""
        from pyarrow import ArrowException, parquet

        try:
            notes = parquet.read_schema(path / MANIFEST if path.is_dir() else path).metadata or {}
        except (OSError, ArrowException):
            return None
        mark = notes.get(self.MARK.encode())
        return mark.decode("ascii", "replace") if mark else None

    @contextmanager
    def clear_errors(self) -> Iterator[None]:
        """Say what a full or forbidden disk means; every other error passes as it is."""
        try:
            yield
        except OSError as error:
            at = error.filename or self.folder
            if error.errno in FULL:
                raise DeployError(
                    f"{self.out}: {room(self.folder, error)}; finished shards are kept. Free space "
                    "(shards and output need twice the output's size), then run the same command again"
                ) from error
            if error.errno in FORBIDDEN:
                raise DeployError(
                    f"{self.out}: cannot be written ({error.strerror}: {at}); give yourself the right to "
                    "write there, or choose another output"
                ) from error
            raise
