"""An attack of another package: it says itself what boards and bounds have to know, and nobody asks for its name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from facebench.bench.attacks import base
from facebench.bench.plan.attacks import known
from facebench.reports.board.leaderboard import board
from facebench.reports.board.marks import unasked
from facebench.reports.result import record as results
from facebench.reports.result.attack_traits import EARLIER, traits
from facebench.reports.result.record import KNOWLEDGE, AttackTraits
from made_up import LEAK, record
from outside import bench, package

IGNORANT = Path(base.__file__).with_name("ignorant.py")
RECIPE = """
synthetic: {people: 40, images: 3, pairs: 20}
recognizer: {architecture: small, dim: 32, steps: 2, batch: 8}
judge: {architecture: small, dim: 32, steps: 2, batch: 8}
attacks: [ignorant, other_image]
"""


def _copy() -> str:
    """The file of the ignorant attacker as another package has it: other imports, another class."""
    text = IGNORANT.read_text(encoding="utf-8")
    text = text.replace("from ...", "from facebench.").replace("from .", "from facebench.bench.attacks.")
    return text.replace("class Ignorant(", "class Bystander(")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of `ignorant`, the same attack said to be adaptive, and a record of either with it."""
    folder = tmp_path_factory.mktemp("outside")
    learned = _copy().replace("Bystander", "Insider").replace("reference: ClassVar", "adaptive: ClassVar")
    entries = {"attacks.bystander": "fb_bystander:Bystander", "attacks.insider": "fb_insider:Insider"}
    package(folder, "fb-attacks", entries, fb_bystander=_copy(), fb_insider=learned)
    (folder / "tiny.yaml").write_text(RECIPE)
    for store, names in (("plain", []), ("copied", ["bystander"]), ("learned", ["insider"])):
        run = ["run", "--method", "noise", "--recipe", "tiny.yaml", "--tracking-uri", "none", "-q", "--store", store]
        done = bench(folder, *run, *(["--attacks", "ignorant", "other_image", *names] if names else []))
        assert done.returncode in (0, 1), done.stderr
    return folder


def _made(shop: Path, store: str) -> results.RunRecord:
    (path,) = (shop / store / "records").glob("*.json")
    return results.read(path)


def test_a_copy_of_the_ignorant_attacker_leaves_the_marks_as_they_are(shop: Path) -> None:
    plain, copied = (board([_made(shop, store)])[0].rows[0] for store in ("plain", "copied"))
    assert copied.attackers == (*plain.attackers, "bystander")
    assert "ignorant-only" in plain.marks
    assert copied.marks == plain.marks
    assert unasked(copied.records) == unasked(plain.records)
    assert unasked(plain.records)[-1] == "restore"


def test_an_attacker_who_says_to_know_the_method_takes_the_mark_away(shop: Path) -> None:
    made = _made(shop, "learned")
    assert made.known_attacks["insider"] == AttackTraits(adaptive=True, searches=True, place=10)
    assert "ignorant-only" not in board([made])[0].rows[0].marks
    assert {f"insider against {name}" for name in ("ignorant",)} <= {check.name for check in made.checks}


def test_the_record_keeps_what_every_attack_says_of_itself(shop: Path) -> None:
    made = _made(shop, "copied")
    assert made.known_attacks["bystander"] == made.known_attacks["ignorant"]
    assert made.known_attacks.keys() == {*EARLIER, "bystander"}
    text = (shop / "copied" / "records" / f"{made.name}.json").read_text()
    assert json.loads(text)["known_attacks"]["linkage"]["searches"] is False
    assert bench(shop, "report", "--verify", "--store", "copied").returncode == 0


def test_traits_that_the_attack_does_not_have_are_found(shop: Path) -> None:
    made = _made(shop, "copied")
    known = {**made.known_attacks, "bystander": AttackTraits(adaptive=True, searches=True)}
    results.write(made.model_copy(update={"known_attacks": known}), shop / "forged" / "records")
    done = bench(shop, "report", "--verify", "--store", "forged")
    assert done.returncode == 1
    assert "known_attacks.bystander: expected adaptive=False" in done.stdout


def test_all_attacks_are_those_of_other_packages_too(shop: Path) -> None:
    dry = ["run", "--method", "noise", "--recipe", "tiny.yaml", "--dry-run", "--tracking-uri", "none"]
    told = bench(shop, *dry, "--attacks", "all").stdout
    assert {"attack/bystander", "attack/insider", "attack/linkage"} <= {*told.split()}
    assert "attack/bystander" not in bench(shop, *dry).stdout


def test_an_attack_whose_traits_are_none_is_told_before_a_run(tmp_path: Path) -> None:
    text = _copy().replace("place: ClassVar[int] = 10", 'place: ClassVar[str] = "first"')
    package(tmp_path, "fb-attacks", {"attacks.bystander": "fb_bystander:Bystander"}, fb_bystander=text)
    done = bench(tmp_path, "run", "--dry-run", "--attacks", "all", "--tracking-uri", "none")
    assert done.returncode == 2
    assert "Bystander.place" in done.stderr
    assert "Traceback" not in done.stderr


def test_records_from_before_are_read_as_the_attacks_were() -> None:
    """The table for them says what attacks say today; where one changes, it is of another record than these."""
    assert known({}) == EARLIER
    old = record(attackers=("ignorant", "theirs"), knows={"ignorant": KNOWLEDGE[0], "theirs": KNOWLEDGE[2]})
    assert traits(old)["theirs"].adaptive
    assert "ignorant-only" not in board([old])[0].rows[0].marks
    told_nothing = record(attackers=("ignorant", "theirs"))
    assert "ignorant-only" in board([told_nothing])[0].rows[0].marks


def test_an_attacker_without_the_photo_is_the_worst_of_that_condition_by_what_it_says() -> None:
    from facebench.reports.board.marks import OTHER_PHOTO
    from facebench.reports.board.other_conditions import worst

    made = record(attackers=("ignorant", "parrot", "thief"))
    (leak,) = [score for score in made.scores if (score.on, score.measure) == ("ignorant", LEAK)]
    beside = leak.measure.model_copy(update={"name": OTHER_PHOTO, "headline": False})
    scores = (leak.model_copy(update={"measure": beside, "on": "parrot", "value": 0.2}),
              leak.model_copy(update={"on": "thief", "value": 0.6}))  # fmt: skip
    known = {**EARLIER, "thief": AttackTraits(searches=True, without_photo=True)}
    made = made.model_copy(update={"scores": (*made.scores, *scores)})
    assert worst([made], OTHER_PHOTO).on == "parrot"
    found = worst([made.model_copy(update={"known_attacks": known})], OTHER_PHOTO)
    assert (found.on, found.mean) == ("thief", 0.6)
