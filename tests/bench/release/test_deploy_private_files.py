"""What links private faces to their originals is for its owner alone, from the first byte to the last."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from facebench.bench.cli.main import main
from facebench.bench.release.workspace import Workplace
from facebench.methods.parts.owner_only import owner_only

COMMAND = ["privatize", "synthetic", "set", "--method", "masking", "--workers", "1", "--shard-size", "20", "-q"]
SIZE = ["--set", "synthetic.people=10", "synthetic.images=4"]


@pytest.fixture(params=[0, 0o022, 0o277], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """What the user's shell lets others do: all, read, nothing; the last even forbids the owner to write."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path | int) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)  # noqa: PTH116  # of open files, too


@pytest.mark.usefixtures("umask")
def test_a_private_file_is_its_owners_alone_also_where_one_was_there(tmp_path: Path) -> None:
    path = tmp_path / "links"
    with owner_only(path) as file:
        assert mode(file.fileno()) == 0o600
        file.write(b"long")
    path.chmod(0o644)
    with owner_only(path) as file:
        assert mode(file.fileno()) == 0o600
        file.write(b"new")
    assert (path.read_bytes(), mode(path)) == (b"new", 0o600)


@pytest.mark.parametrize("open_to", [0, 0o022], ids=oct)
def test_links_are_private_while_they_are_made_and_afterwards(
    open_to: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: dict[str, int] = {}
    savez, publish = np.savez, Workplace.publish

    def saving(file: object, **columns: object) -> None:
        seen["index"] = mode(file.fileno())  # type: ignore[attr-defined]
        seen["folder"] = mode(Path(".set.shards"))
        savez(file, **columns)

    def publishing(self: Workplace, out: Path, links: Path, **more: bool) -> None:
        seen["links"] = mode(links)
        publish(self, out, links, **more)

    monkeypatch.setattr(np, "savez", saving)
    monkeypatch.setattr(Workplace, "publish", publishing)
    before = os.umask(open_to)
    try:
        assert main([*COMMAND, *SIZE, "--shards", "1/2"]) == 0
        kept = {path.suffix: mode(path) for path in Path(".set.shards").glob("0*")}
        assert main([*COMMAND, *SIZE]) == 0
    finally:
        os.umask(before)
    assert kept == {".npz": 0o600, ".images": 0o600}, "an image file is in the order of the originals"
    assert seen == {"index": 0o600, "folder": 0o700, "links": 0o600}
    assert mode(Path("set.manifest.parquet")) == 0o600
    shared = {path.relative_to("set").as_posix(): mode(path) for path in Path("set").rglob("*")}
    assert set(shared.values()) == {0o666 & ~open_to}, shared
