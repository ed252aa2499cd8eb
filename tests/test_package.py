"""The package that is installed is the tree: its folders, its data, its pinned requirements."""

import tomllib
from importlib import metadata, resources
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("bench", "datasets", "facemae", "methods", "reports")
PUBLISHED = ROOT / "reports" / "records"
"""Results of the repository, reviewed like code; they are no part of the package."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCK = [
    Requirement(line)
    for line in (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


def wanted() -> list[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"]
    lists = [PROJECT["project"]["dependencies"], extras["test"], extras["dev"]]
    return [Requirement(line) for lines in lists for line in lines]


def test_packages_are_the_folders_of_the_tree() -> None:
    found = {"facebench"}
    for folder in FOLDERS:
        files = (file for suffix in ("py", "yaml", "json", "html") for file in (ROOT / folder).rglob(f"*.{suffix}"))
        inside = (file.relative_to(ROOT).parent.parts for file in files if PUBLISHED not in file.parents)
        found |= {".".join(["facebench", *parts]) for parts in inside}
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert len(listed) == len(set(listed))
    assert found == set(listed)


def test_every_data_file_is_shipped() -> None:
    shipped = PROJECT["tool"]["setuptools"]["package-data"]
    files = {
        file.relative_to(ROOT)
        for folder in FOLDERS
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and file.suffix not in {".py", ".pyc"} and not file.name.startswith(".")
        if PUBLISHED not in file.parents
    }
    unshipped = [
        str(file)
        for file in files
        if not any(file.match(p) for p in shipped.get(".".join(["facebench", *file.parent.parts]), []))
    ]
    assert not unshipped
    assert shipped["facebench"] == ["py.typed"]
    assert (ROOT / "py.typed").read_bytes() == b""


def test_the_installed_package_is_this_tree_with_its_data() -> None:
    root = resources.files("facebench")
    for name in ("py.typed", "bench/plan/recipes/quick.yaml", "datasets/cards/synthetic.yaml"):
        assert root.joinpath(name).read_bytes() == (ROOT / name).read_bytes()


def test_both_commands_are_one_program() -> None:
    scripts = metadata.entry_points(group="console_scripts")
    assert {scripts[name].value for name in ("bench", "facebench")} == {"facebench.bench.cli.main:main"}


def test_every_requirement_is_pinned_in_the_lock_within_its_bounds() -> None:
    for requirement in wanted():
        pins = [pin for pin in LOCK if canonicalize_name(pin.name) == canonicalize_name(requirement.name)]
        assert pins, f"{requirement.name} is not in requirements.lock; `make lock` makes it anew"
        for pin in pins:
            (exact,) = pin.specifier
            assert exact.operator == "=="
            assert requirement.specifier.contains(exact.version, prereleases=True), f"{pin} against {requirement}"


def test_the_lock_names_no_address_and_only_the_opencv_that_needs_no_screen() -> None:
    assert not [pin for pin in LOCK if pin.url]
    text = (ROOT / "requirements.lock").read_text("utf-8")
    assert "://" not in text
    assert not [line for line in text.splitlines() if line.startswith("-")]
    assert {pin.name for pin in LOCK if pin.name.startswith("opencv")} == {"opencv-python-headless"}


def test_every_library_that_is_used_has_a_lower_bound() -> None:
    """Types-only packages apart: they follow the library they describe."""
    stubs = {"pandas-stubs", "types-PyYAML"}
    unbounded = [r.name for r in wanted() if not r.specifier and r.name not in stubs]
    assert not unbounded
