"""From a dataset's name or path to its files, or to a message that says how to come by them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from facebench.datasets import bin as bins
from facebench.datasets.base import DataError
from facebench.datasets.bin import Bin
from facebench.datasets.catalog import cards
from facebench.datasets.folder import Folder
from facebench.datasets.pairs import PairsTxt
from facebench.datasets.recordio import RecordIO

COUNTS = {
    "casia": (10_572, 490_623),
    "celeba": (10_177, 202_599),
    "lfw": (5_749, 13_233),
    "ms1mv3": (93_431, 5_179_510),
    "webface12m": (617_970, 12_720_066),
    "webface260m": (2_059_906, 42_474_558),
    "webface42m": (2_059_906, 42_474_558),
    "webface4m": (205_990, 4_235_242),
    "synthetic": (None, None),
}


def pack(root: Path, *files: str) -> Path:
    root.mkdir(parents=True)
    for name in files or ("train.rec", "train.idx", "property"):
        (root / name).write_bytes(b"")
    return root


def people(root: Path) -> Path:
    (root / "somebody").mkdir(parents=True)
    return root


def test_there_is_a_card_for_each_known_set() -> None:
    assert cards.names() == tuple(sorted(COUNTS))


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_a_card_is_complete(name: str) -> None:
    card = cards.load(name)
    assert card.name == name
    assert (card.identities, card.images) == COUNTS[name]
    for text in (card.title, card.about, card.obtain, card.terms, card.overlap):
        assert text.strip() == text != ""
    assert card.verification


def test_the_pack_of_casia_has_three_sets_beside_it() -> None:
    card = cards.load("casia")
    assert card.exact
    assert [known.file for known in card.verification.values()] == ["lfw.bin", "cfp_fp.bin", "agedb_30.bin"]


def test_an_unknown_name_gets_the_near_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no dataset named 'cassia'.*Did you mean casia"):
        cards.resolve("cassia", tmp_path)
    with pytest.raises(DataError, match=r"There are: casia, celeba, lfw"):
        cards.load("qqqq")


@pytest.mark.parametrize("name", sorted(set(COUNTS) - {"synthetic"}))
def test_missing_data_is_told_with_place_way_and_terms(name: str, tmp_path: Path) -> None:
    card = cards.load(name)
    with pytest.raises(cards.MissingData) as error:
        cards.resolve(name, tmp_path / "data")
    message = str(error.value)
    for folder in card.folders:
        assert f"{tmp_path / 'data' / folder}: no such folder" in message
    for part in (card.title, f"{card.images:,}", card.obtain, card.terms, "lfw.bin", "--data"):
        assert part in message
    assert isinstance(error.value, DataError)


def test_what_is_there_is_told_file_by_file(tmp_path: Path) -> None:
    first = pack(tmp_path / "faces_webface_112x112", "train.rec", "train.idx")
    second = pack(tmp_path / "casia", "property", "lfw.bin")
    with pytest.raises(cards.MissingData) as error:
        cards.resolve("casia", tmp_path)
    assert f"{first}: a pack without its property" in str(error.value)
    assert f"{second}: a pack without its train.rec" in str(error.value)
    shutil.rmtree(first)
    first.write_bytes(b"")
    shutil.rmtree(second)
    second.mkdir()
    with pytest.raises(cards.MissingData) as error:
        cards.resolve("casia", tmp_path)
    assert f"{first}: not a folder" in str(error.value)
    assert f"{second}: neither train.rec nor property nor folders" in str(error.value)


def test_a_card_finds_its_pack_and_sets(tmp_path: Path) -> None:
    root = pack(tmp_path / "casia", "train.rec", "property", "lfw.bin", "agedb_30.bin", "cplfw.bin")
    found = cards.resolve("casia", tmp_path)
    assert found.card == cards.load("casia")
    assert found.source == RecordIO(root=root)
    assert found.root == root
    assert found.pairs == {name: Bin(path=root / f"{name}.bin") for name in ("lfw", "agedb_30", "cplfw")}
    assert list(found.pairs) == ["lfw", "agedb_30", "cplfw"]
    assert found.absent == {"cfp_fp": root / "cfp_fp.bin"}


def test_a_card_takes_the_first_folder_that_is_whole(tmp_path: Path) -> None:
    pack(tmp_path / "faces_webface_112x112", "train.rec")
    root = pack(tmp_path / "casia")
    assert cards.resolve("casia", tmp_path).root == root


def test_a_card_finds_folders_where_a_pack_is_usual_and_the_other_way_round(tmp_path: Path) -> None:
    casia = people(tmp_path / "casia")
    assert cards.resolve("casia", tmp_path).source == Folder(root=casia)
    lfw = people(tmp_path / "lfw")
    (lfw / "pairs.txt").write_text("300\n")
    found = cards.resolve("lfw", tmp_path)
    assert found.source == Folder(root=lfw)
    assert found.pairs == {"pairs": PairsTxt(root=lfw, path=lfw / "pairs.txt")}
    packed = pack(tmp_path / "faces_lfw_112x112", "train.rec", "property", "lfw.bin", "pairs.txt")
    found = cards.resolve("lfw", tmp_path)
    assert found.source == RecordIO(root=packed)
    assert list(found.pairs) == ["lfw"]
    assert not found.absent


def test_a_path_to_a_pack_or_to_folders_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = pack(tmp_path / "my faces", "train.rec", "property", "own.bin")
    for path in (root, root / "train.rec"):
        found = cards.resolve(str(path), tmp_path / "nowhere")
        assert found.card is None
        assert found.source == RecordIO(root=root)
        assert found.pairs == {"own": Bin(path=root / "own.bin")}
    folder = people(tmp_path / "plain")
    (folder / "x.bin").write_bytes(b"")
    found = cards.resolve(str(folder), tmp_path)
    assert found.source == Folder(root=folder)
    assert list(found.pairs) == ["x"]
    monkeypatch.chdir(tmp_path)
    assert cards.resolve("plain", tmp_path / "nowhere").root == Path("plain")


@pytest.mark.parametrize("made", ["nothing", "file", "empty", "part", "images"])
def test_a_path_to_nothing_of_ours_is_told(tmp_path: Path, made: str) -> None:
    path = tmp_path / "here"
    if made == "file":
        path.write_bytes(b"")
    elif made != "nothing":
        path.mkdir()
    if made == "part":
        (path / "property").write_bytes(b"")
    if made == "images":
        (path / "a.jpg").write_bytes(b"")
    said = {"nothing": "no such folder", "file": "not a folder", "part": "without its train.rec"}
    with pytest.raises(DataError, match=said.get(made, "neither train.rec nor property nor folders")) as error:
        cards.resolve(str(path), tmp_path)
    assert str(path) in str(error.value)
    assert not isinstance(error.value, cards.MissingData)


@pytest.mark.parametrize("name", ["-x.bin", "a b.bin", "a\nb.bin", "\xe9\u0301 .bin"])
def test_a_set_whose_name_would_break_records_is_told(tmp_path: Path, name: str) -> None:
    root = pack(tmp_path / "faces", "train.rec", "property", name)
    with pytest.raises(DataError, match="rename the file"):
        cards.resolve(str(root), tmp_path)


def test_synthetic_needs_no_files_and_takes_parameters(tmp_path: Path) -> None:
    found = cards.resolve(
        "synthetic", tmp_path / "nowhere", synthetic={"people": 5, "images": 3, "seed": 7, "pairs": 20}
    )
    assert found.root is None
    assert found.source.model_dump() == {"people": 5, "images": 3, "seed": 7}
    assert [pairs.model_dump() for pairs in found.pairs.values()] == [
        {"kind": kind, "pairs": 20, "seed": 7} for kind in ("lfw", "cfp_fp", "agedb_30")
    ]
    assert list(found.pairs) == ["lfw_like", "cfp_fp_like", "agedb_30_like"]  # never taken for the real ones
    assert len(found.source.open()) == 15
    assert cards.resolve("synthetic", tmp_path).source.model_dump().keys() == {"people", "images", "seed"}


@pytest.mark.parametrize("wrong", [{"people": 0}, {"people": "many"}, {"persons": 5}, {"pairs": -1}])
def test_wrong_parameters_of_synthetic_are_told_by_name(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(DataError, match=rf"synthetic.{next(iter(wrong))}: .*people, images, seed and pairs"):
        cards.resolve("synthetic", tmp_path, synthetic=wrong)


GOOD = (
    "name: mine\ntitle: T\nabout: A\nlayout: recordio\nfolders: [mine]\nidentities: 2\nimages: 4\n"
    "verification: {lfw: {use: bin, file: lfw.bin}}\nobtain: O\nterms: T\noverlap: none\n"
)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", None),
        ("title: T\n", "", "title: Field required"),
        ("images: 4", "images: -4", "images: Input should be greater"),
        ("images: 4", "images: some", "images: Input should be a valid integer"),
        ("images: 4", "pictures: 4", "pictures: Extra inputs"),
        ("layout: recordio", "layout: zip", "layout: Input should be"),
        ("folders: [mine]", "folders: [../mine]", "folders.0: String should match"),
        ("folders: [mine]", "folders: [/mine]", "folders.0: String should match"),
        ("folders: [mine]", "folders: []", "has folders, identities and images"),
        ("file: lfw.bin", "file: ../lfw.bin", "verification.lfw.file: String should match"),
        ("use: bin, file: lfw.bin", "use: bin", "have a file and no kind"),
        ("use: bin, file: lfw.bin", "use: synthetic, file: lfw.bin", "have a file and no kind"),
        ("name: mine", "name: yours", "expected the card of mine, got that of yours"),
        ("title: T", "title: &a T", "alias or anchor"),
        ("title: T", "title: !!python/name:os.system", "a tag"),
        (GOOD, "[1, 2]", "not a dataset card"),
    ],
)
def test_a_damaged_card_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, said: str | None
) -> None:
    monkeypatch.setattr(cards, "FOLDER", tmp_path)
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace(old, new, 1) if old else GOOD)
    if said is None:
        assert cards.load("mine").images == 4
        return
    with pytest.raises(DataError) as error:
        cards.load("mine")
    assert str(path) in str(error.value)
    assert said in str(error.value)


def test_cards_cost_no_heavy_import() -> None:
    code = (
        "import sys; from pathlib import Path; from facebench.datasets.catalog import cards; "
        "[cards.load(name) for name in cards.names()]; "
        "import facebench.datasets.bin, facebench.datasets.pairs; "
        "print([name for name in ('torch', 'cv2', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["lfw", "celeba"])
def test_real_packs_are_found_by_name_and_by_path(name: str, data_root: Path) -> None:
    if not (data_root / f"faces_{name}_112x112").is_dir():
        pytest.skip(f"no {name}")
    found = cards.resolve(name, data_root)
    assert isinstance(found.source, RecordIO)
    assert "lfw" in found.pairs
    by_path = cards.resolve(str(found.root), Path("nowhere"))
    assert by_path.source == found.source
    pairs = found.pairs["lfw"]
    assert isinstance(pairs, Bin)
    images, same = bins.read(pairs.path)
    assert len(images) == 2 * len(same)
