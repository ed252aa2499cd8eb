"""The drawn picture of the folders is the real one: every import in every file is read and compared with it."""

import ast
import builtins
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest
from facebench.bench.cli import main

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
MAY_IMPORT = {
    "bench": {"bench", "methods", "datasets", "facemae", "reports"},
    "methods": {"methods", "datasets", "facemae"},
    "datasets": {"datasets"},
    "facemae": {"facemae"},
    "reports": {"reports"},
}
CONTRACTS = {
    "methods": {"Method"},
    "datasets": {"FaceSource", "PairSource"},
    "bench.attacks": {"Attack"},
    "bench.metrics": {"Metric"},
}
ROOMS: dict[str, list[set[str]]] = {
    "reports": [{"result"}, {"statistics"}, {"board", "tracking"}, {"formats"}, {"pictures"}],
    "datasets": [{"base"}, {"files", "drawn"}, {"views"}, {""}, {"catalog"}],
    "facemae": [{"runtime"}, {"recognition"}, {"onnx"}, {"", "gan"}],
    "methods": [{"base"}, {"parts"}, {""}],
    "bench": [
        {"store", "plugin_files", "typed_code"},
        {"plugin_sources"},
        {"plugins", "terminal", "describe"},
        {"biometrics"},
        {"metrics.base", "attacks.base"},
        {"recognition", "metrics", "attacks.leakage"},
        {"attacks.adaptive", "compare", "subgroups"},
        {"attacks", "plan", "gate"},
        {"experiment.stages"},
        {"experiment"},
        {"audit", "release"},
        {"cli"},
        {"__main__", "pytest_plugin", "api"},
    ],
}
"""Of each folder, floor by floor from the ground; "" is the folder's own files. A room imports rooms of lower floors
alone. `docs/architecture.md` draws the same picture."""
INVENTED = {
    ("README.md", "methods/negative.py"),
    ("CONTRIBUTING.md", "methods/NAME.py"),
    ("submitting.md", "bench/attacks/NAME.py"),
    *(("architecture.md", f"{kind.replace('.', '/')}/NAME.py") for kind in CONTRACTS),
}
"""Files of the documents that a reader may write."""
MOST_FILES = 13
"""Of machinery in one room."""
SOLE_USERS = {
    "mlflow": {
        f"reports.tracking.{job}" for job in ("client", "database", "mirror", "models", "read", "runs", "system")
    },
    "faiss": {"bench.biometrics.nearest"},
    "onnxruntime": {"facemae.onnx.child", "facemae.onnx.session"},
    "matplotlib": {*(f"reports.pictures.{name}" for name in ("drawing", "figures", "plane")), "bench.api"},
    "insightface": {"facemae.onnx.embedder"},
}
IN_THE_ROOT = {"FacebenchError"}
"""All that the root's `__init__.py` defines for others: the one thing every folder may import from above itself."""
HEAVY = {
    *("torch", "torchvision", "timm", "accelerate", "pandas", "pyarrow", "mlflow", "matplotlib", "scipy"),
    *("cv2", "onnxruntime", "insightface", "faiss"),
}


class Import(NamedTuple):
    target: str
    """Ours: the dotted path below the root. A third party: its top name."""
    ours: bool
    relative: bool
    at_import: bool
    """Executed when the module is imported: outside functions and `if TYPE_CHECKING`."""
    line: int


def modules() -> dict[str, Path]:
    """Every module of ours by its dotted path below the root."""
    files = (file for folder in MAY_IMPORT for file in (ROOT / folder).rglob("*.py"))
    return {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in files}


def imports(name: str, source: str, known: set[str]) -> list[Import]:
    """All imports in the source of module `name`, wherever they stand."""
    return list(_walk(ast.parse(source), name, known, True))


def _walk(node: ast.AST, name: str, known: set[str], at_import: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield _absolute(alias.name, at_import, child.lineno)
        elif isinstance(child, ast.ImportFrom) and not child.level:
            yield _absolute(child.module or "", at_import, child.lineno)
        elif isinstance(child, ast.ImportFrom):
            above = name.split(".")[: -child.level]
            assert child.level <= name.count(".") + 1, f"{name}:{child.lineno} leaves the package"
            base = ".".join([*above, *([child.module] if child.module else [])])
            for alias in child.names:  # `from . import noise` names a module, `from .base import Method` a class in one
                deeper = f"{base}.{alias.name}".strip(".")
                if deeper not in IN_THE_ROOT:
                    yield Import(deeper if deeper in known or not base else base, True, True, at_import, child.lineno)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _walk(ast.Module(child.body, []), name, known, False)
            yield from _walk(ast.Module(child.orelse, []), name, known, at_import)
        else:
            inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _walk(child, name, known, at_import and not inner)


def _absolute(target: str, at_import: bool, line: int) -> Import:
    top, _, rest = target.partition(".")
    if top == "facebench":
        return Import(rest, True, False, at_import, line)
    ours = top in MAY_IMPORT
    return Import(target if ours else top, ours, False, at_import, line)


FILES = modules()
IMPORTS = {name: imports(name, file.read_text("utf-8"), set(FILES)) for name, file in FILES.items()}


def folder(name: str) -> str:
    return name.rpartition(".")[0]


@cache
def plugins() -> set[str]:
    """Modules that hold a class which descends, in this folder, from the folder's contract."""
    parents: dict[str, dict[str, set[str]]] = {}
    for name, file in FILES.items():
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
                parents.setdefault(name, {})[node.name] = bases
    found: set[str] = set()
    for place, contract in CONTRACTS.items():
        family = set(contract)
        here = {name: classes for name, classes in parents.items() if name.startswith(f"{place}.")}
        for _ in here:  # as often as a chain of classes may be long
            family |= {c for classes in here.values() for c, bases in classes.items() if bases & family}
        # what several plug-ins have in common is abstract, and none itself
        concrete = {c for classes in here.values() for c, bases in classes.items() if "ABC" not in bases}
        found |= {
            name
            for name, classes in here.items()
            if folder(name) == place and set(classes) & (family - contract) & concrete
        }
    return found


def test_the_reader_sees_every_kind_of_import() -> None:
    source = """
import torch.nn as nn, json
from typing import TYPE_CHECKING
from ..datasets.base import Faces
from . import noise
from .. import FacebenchError, bench
if TYPE_CHECKING:
    import pandas
def f():
    from mlflow import log_metric
    class C:
        import facebench.bench.cli.main
try:
    from datasets import Dataset
except ImportError:
    pass
"""
    known = {"methods.noise", "methods.base", "datasets.base", "bench.cli.main"}
    seen = {(i.target, i.ours, i.relative, i.at_import) for i in imports("methods.new", source, known)}
    assert seen == {
        ("torch", False, False, True),
        ("json", False, False, True),
        ("typing", False, False, True),
        ("datasets.base", True, True, True),
        ("methods.noise", True, True, True),
        ("pandas", False, False, False),
        ("mlflow", False, False, False),
        ("bench.cli.main", True, False, False),
        ("datasets", True, False, True),
        ("bench", True, True, True),
    }
    with pytest.raises(AssertionError, match="leaves the package"):
        imports("methods.new", "from ...elsewhere import x", known)


def test_folders_import_only_what_stands_below_them() -> None:
    wrong = [
        f"{name}:{i.line} imports {i.target}"
        for name, found in IMPORTS.items()
        for i in found
        if i.ours and i.target.split(".")[0] not in MAY_IMPORT[name.split(".")[0]]
    ]
    assert not wrong


def test_what_is_imported_of_ours_exists() -> None:
    packages = {folder(name) for name in FILES}
    wrong = [
        f"{name}:{i.line} imports {i.target or 'the root'}"
        for name, found in IMPORTS.items()
        for i in found
        if i.ours and i.target not in FILES and i.target not in packages
    ]
    assert not wrong


def test_between_our_folders_imports_are_relative() -> None:
    wrong = [f"{name}:{i.line} {i.target}" for name, found in IMPORTS.items() for i in found if i.ours > i.relative]
    assert not wrong


def test_tests_import_as_users_do() -> None:
    wrong = []
    for file in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""] if not node.level else ["."]
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            wrong += [f"{file}: {n}" for n in names if n.split(".")[0] in {*MAY_IMPORT, ""}]
    assert not wrong


def test_plugins_do_not_import_each_other() -> None:
    known = plugins()
    assert {"methods", "datasets", "bench.attacks", "bench.metrics"} == {folder(name) for name in known}
    wrong = [
        f"{name}:{i.line} imports {i.target}"
        for name in known
        for i in IMPORTS[name]
        if i.target in known and folder(i.target) == folder(name)
    ]
    assert not wrong


def room(name: str) -> str:
    """The room a module is in, as `ROOMS` names it: the longest that fits."""
    top, _, rest = name.partition(".")
    fitting = [r for floor in ROOMS[top] for r in floor if rest == r or rest.startswith(f"{r}.") or not r]
    assert fitting, f"{name}: no room of {top} is called so"
    return max(fitting, key=len)


def floor(name: str) -> int:
    rooms = ROOMS[name.partition(".")[0]]
    return next(number for number, floor in enumerate(rooms) if room(name) in floor)


def test_rooms_import_only_rooms_of_lower_floors() -> None:
    wrong = [
        f"{name}:{i.line} imports {i.target}: {room(name)} -> {room(i.target)}"
        for name, found in IMPORTS.items()
        for i in found
        if i.ours
        and i.target in FILES
        and i.target.split(".")[0] == name.split(".")[0]
        and room(i.target) != room(name)
        and floor(i.target) >= floor(name)
    ]
    assert not wrong


def test_no_room_is_too_large_to_look_over() -> None:
    """Plug-ins and commands are no machinery: each stands for itself, and who looks for one knows its name."""
    alone = {*plugins(), *(f"bench.cli.{command.__name__.rpartition('.')[2]}" for command in main.COMMANDS)}
    machinery = Counter(
        room_of for name in FILES if name not in alone for room_of in [(name.split(".")[0], room(name))]
    )
    assert not {place: n for place, n in machinery.items() if n > MOST_FILES}


@pytest.mark.parametrize("place", [*CONTRACTS])
def test_a_folder_of_plugins_holds_its_contract_and_plugins(place: str) -> None:
    here = {name for name in FILES if folder(name) == place}
    assert here - plugins() == {f"{place}.base"}


def drawn() -> dict[str, list[set[str]]]:
    """The picture of `docs/architecture.md`, as `ROOMS` has it."""
    (picture,) = re.findall(r"```text\n(bench/.*?)```", ARCHITECTURE, re.DOTALL)
    found: dict[str, list[set[str]]] = {}
    numbers: list[int] = []
    for line in picture.splitlines():
        if not line.startswith(" "):
            floors = found.setdefault(line.strip().rstrip("/"), [])
            continue
        number, _, rooms = line.partition(" :")[0].strip().partition(" ")
        floors.insert(0, {name.strip().strip(".") for name in rooms.split(",")})
        numbers.append(int(number))
    assert numbers == [floor for floors in found.values() for floor in reversed(range(len(floors)))]
    return found


def test_the_drawn_picture_is_the_real_one() -> None:
    assert drawn() == ROOMS


def height(path: str) -> tuple[int, int]:
    """How high a file stands: the level of its folder, and its floor."""
    name = path.removesuffix(".py").replace("/", ".")
    top = name.partition(".")[0]
    return {"bench": 3, "methods": 2}.get(top, 1), floor(name)


@pytest.mark.parametrize("walk", range(3))
def test_a_walk_goes_down_or_along_and_passes_no_file_twice(walk: int) -> None:
    section = ARCHITECTURE.partition("## Three walks")[2].partition("\n## ")[0]
    way = re.findall(r"^\d+\. `([\w/.]+)`", section.split("\n**")[walk + 1], re.MULTILINE)
    assert len(way) > 5
    assert len(set(way)) == len(way)
    assert [path for path in way if not (ROOT / path).is_file()] == []
    assert sorted(way, key=height, reverse=True) == way


def test_paths_that_the_documents_name_exist() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    named = {
        (file.name, path)
        for file in documents
        for path in re.findall(
            r"`((?:bench|methods|datasets|facemae|reports|tests)/[\w/]+\.py)`", file.read_text("utf-8")
        )
    }
    assert len(named) > 50
    assert {(name, path) for name, path in named if not (ROOT / path).is_file()} == INVENTED


def test_every_file_is_in_a_room_of_its_own_folder() -> None:
    drawn = {f"{top}.{r}".rstrip(".") for top, floors in ROOMS.items() for rooms in floors for r in rooms}
    there = {folder(name) for name in FILES} | {name for name in FILES if folder(name) == "bench"}
    assert there <= drawn | {"bench"}


@pytest.mark.parametrize("library", SOLE_USERS)
def test_a_library_is_known_to_the_files_whose_job_it_is(library: str) -> None:
    users = {name for name, found in IMPORTS.items() for i in found if i.target == library}
    assert users == SOLE_USERS[library]


def test_only_the_networks_know_timm() -> None:
    users = {name.split(".")[0] for name, found in IMPORTS.items() for i in found if i.target == "timm"}
    assert users == {"facemae"}


def test_the_way_to_the_command_line_is_light() -> None:
    way, heavy = ["bench.cli.main"], []
    for name in way:
        for i in IMPORTS[name]:
            if i.at_import and i.ours and i.target in FILES and i.target not in way:
                way.append(i.target)
            if i.at_import and i.target in HEAVY:
                heavy.append(f"{name}:{i.line} imports {i.target}")
    assert not heavy


def test_descriptions_are_light() -> None:
    wrong = [
        f"{name}:{i.line} imports {i.target}"
        for name in plugins()
        for i in IMPORTS[name]
        if i.at_import and i.target in {"torch", "pandas", "mlflow", "matplotlib"}
    ]
    assert not wrong


def test_every_error_of_ours_is_one_that_the_command_line_knows() -> None:
    """All but those that never leave their file; what derives from one of ours is one itself."""
    wrong = []
    for name, file in FILES.items():
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.ClassDef):
                continue
            bases = {ast.unparse(base) for base in node.bases}
            built_in = any(isinstance(found := getattr(builtins, b, None), type) and issubclass(found, BaseException)
                           for b in bases)  # fmt: skip
            if built_in and not node.name.startswith("_") and not bases & IN_THE_ROOT:
                wrong.append(f"{name}: {node.name}")
    assert not wrong


def test_no_import_runs_in_a_circle() -> None:
    graph = {name: {i.target for i in found if i.ours} for name, found in IMPORTS.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_the_root_is_the_package_and_no_folder_below_is_one() -> None:
    assert [file.name for file in ROOT.glob("*.py")] == ["__init__.py"]
    body = ast.parse((ROOT / "__init__.py").read_text("utf-8")).body
    loaded = {alias.name for node in body if isinstance(node, ast.Import) for alias in node.names}
    assert loaded <= {"logging", "os", "sys"}, "every import of ours passes through it"
    assert not [node for node in body if isinstance(node, ast.ImportFrom)]
    lazy = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    assert lazy == {"__getattr__", "__dir__"}, "what programs use is imported when it is asked for"
    assert {node.name for node in body if isinstance(node, ast.ClassDef)} == IN_THE_ROOT, "and nothing in it may grow"
    assert ast.get_docstring(ast.parse((ROOT / "__init__.py").read_text("utf-8")))
    below = [file for name in [*MAY_IMPORT, "tests"] for file in (ROOT / name).rglob("__init__.py")]
    assert not below
