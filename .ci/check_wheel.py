"""Check that a wheel holds this checkout's package, all of it, and nothing else."""

import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def expected() -> set[str]:
    """Names that the wheel shall have: the package's own files and the data that pyproject.toml lists."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    names = set()
    for package in tools["packages"]:
        folder = ROOT.joinpath(*package.split(".")[1:])
        patterns = ["*.py", *tools["package-data"].get(package, [])]
        names |= {file for pattern in patterns for file in folder.glob(pattern)}
    return {f"facebench/{file.relative_to(ROOT).as_posix()}" for file in names}


def main(wheel: str) -> str | None:
    """Compare; the answer is what is wrong, or None."""
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if not name.endswith("/")}
    about = {name for name in found if name.split("/")[0].endswith(".dist-info")}
    missing, strange = sorted(expected() - found), sorted(found - about - expected())
    if len({name.split("/")[0] for name in about}) != 1 or missing or strange:
        return f"{wheel}: missing {missing}, not expected {strange}, about {sorted(about)}"
    sys.stdout.write(f"{Path(wheel).name}: {len(found)} files, all of facebench and nothing else\n")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
