"""The worst leakage under other conditions than the headline's."""

import pytest
from facebench.reports.board.leaderboard import board
from facebench.reports.board.marks import FUSED, OTHER_PHOTO
from facebench.reports.board.other_conditions import worst
from facebench.reports.formats import render
from facebench.reports.result.record import Measure, RunRecord, Score
from made_up import attack, record


def told(seed: int = 0, **found: float | None) -> RunRecord:
    """A record with what attackers find without the photo; `other_image` tells it by its leak@1."""
    made = record("masking", seed=seed)
    more: list[Score] = []
    for on, value in found.items():
        name = "leak@1" if on == "other_image" else OTHER_PHOTO
        measure = Measure(name=name, side="privacy", better="lower", says="found", headline=name == "leak@1")
        more.append(Score(measure=measure, on=on, value=value, n=100, note="" if value is not None else "nobody"))
    others = [score for score in made.scores if score.on not in found]
    return made.model_copy(update={"scores": (*others, *more)})


def test_the_worst_attacker_counts_also_one_who_does_not_know_the_method() -> None:
    found = worst([told(other_image=0.1, parrot=0.3, restore=0.2)], OTHER_PHOTO)
    assert found is not None
    assert (found.on, found.mean, found.sd) == ("parrot", 0.3, None)
    found = worst([told(other_image=0.4, parrot=0.3)], OTHER_PHOTO)
    assert found is not None
    assert found.on == "other_image"


def test_over_seeds_means_are_compared_and_only_of_attackers_that_every_seed_asked() -> None:
    seeds = [told(0, parrot=0.1, restore=0.2), told(1, parrot=0.4, restore=0.2), told(2, parrot=0.4)]
    found = worst(seeds, OTHER_PHOTO)
    assert found is not None
    assert (found.on, found.mean) == ("parrot", pytest.approx(0.3))
    assert found.sd == pytest.approx(0.03**0.5)


def test_nothing_is_told_where_an_attacker_who_lacks_a_seed_found_more() -> None:
    seeds = [told(0, parrot=0.6, alignment=0.2), told(1, parrot=0.6, alignment=0.2), told(2, alignment=0.2)]
    assert worst(seeds, OTHER_PHOTO) is None
    assert "not in the gallery" not in render.markdown(board(seeds))


def test_a_third_party_who_finds_more_is_the_worst() -> None:
    made = told(parrot=0.3)
    own = next(score for score in made.scores if score.measure.name == OTHER_PHOTO)
    theirs = attack(made).model_copy(update={"scores": (own.model_copy(update={"on": "inversion", "value": 0.5}),)})
    found = worst([made], OTHER_PHOTO, [theirs])
    assert found is not None
    assert (found.on, found.mean) == ("inversion", 0.5)
    words = "not in the gallery: `masking` 50.0 (inversion)"
    assert words in render.markdown(board([made], [theirs]))


@pytest.mark.parametrize("found", [{}, {"other_image": 0.2}, {"parrot": None}], ids=str)
def test_nothing_is_told_where_no_attacker_who_learns_was_asked(found: dict[str, float | None]) -> None:
    made = told(**found)
    assert worst([made], OTHER_PHOTO) is None
    assert "not in the gallery" not in render.markdown(board([made]))


def test_the_board_tells_it_below_the_table() -> None:
    text = render.markdown(board([told(other_image=0.1, parrot=0.3), record("noise")]))
    words = "- worst leakage in % where the released photo itself is not in the gallery: `masking` 30.0 (parrot)"
    assert words in text.splitlines()


def test_all_faces_of_a_person_together_are_told_of_every_attacker() -> None:
    made = record("masking")
    measure = Measure(name=FUSED, side="privacy", better="lower", says="found")
    fused = [Score(measure=measure, on=on, value=value, n=40) for on, value in {"ignorant": 0.2, "parrot": 0.1}.items()]
    found = worst([made.model_copy(update={"scores": (*made.scores, *fused)})], FUSED)
    assert found is not None
    assert (found.on, found.mean) == ("ignorant", 0.2)
    assert worst([made], FUSED) is None
