"""Drawing leaves no file of matplotlib's among the user's, and trusts no folder that others could have prepared."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from facebench.reports.pictures import aside

DRAW = """
import os
from pathlib import Path
from facebench.reports.pictures import drawing
before = dict(os.environ)
drawing.save(drawing.blank(2, 2), Path("figure.png"))
assert dict(os.environ) == before
"""


@pytest.mark.parametrize("named", [False, True])
def test_the_list_of_fonts_lies_in_the_temporary_folder_unless_the_user_names_another(
    named: bool, tmp_path: Path
) -> None:
    home, tmp, own = (tmp_path / name for name in ("home", "tmp", "own"))
    for folder in (home, tmp):
        folder.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(tmp)}
    environment |= {aside.VARIABLE: str(own)} if named else {}
    subprocess.run([sys.executable, "-c", DRAW], cwd=tmp_path, env=environment, check=True, timeout=60)
    assert (tmp_path / "figure.png").stat().st_size > 100
    assert list(home.iterdir()) == []
    (kept,) = [own] if named else tmp.iterdir()
    assert [path.name for path in kept.iterdir() if path.name.startswith("fontlist")]
    assert named or stat.S_IMODE(kept.stat().st_mode) == 0o700


def test_a_folder_that_others_could_have_prepared_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = aside._folder()
    assert own == aside._folder() == tmp_path / f"facebench-{os.getuid()}"
    own.chmod(0o777)
    assert aside._folder() != own
    own.rmdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    own.symlink_to(elsewhere)
    assert aside._folder() != own
    own.unlink()
    own.write_text("a file")
    found = aside._folder()
    assert found != own
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
