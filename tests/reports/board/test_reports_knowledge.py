"""Which attacker was the strongest that was run: told below the board, from what the records say of attacks."""

from __future__ import annotations

from facebench.reports.board.leaderboard import board
from facebench.reports.board.marks import strongest
from facebench.reports.formats.render import markdown
from facebench.reports.result.record import KNOWLEDGE
from made_up import record


def test_the_board_names_what_the_strongest_attacker_held() -> None:
    learned = record("masking", knows={"ignorant": KNOWLEDGE[0], "alignment": KNOWLEDGE[2], "replay": KNOWLEDGE[1]})
    replayed = record("noise", knows={"ignorant": KNOWLEDGE[0], "replay": KNOWLEDGE[1]})
    text = markdown(board([learned, replayed]))
    assert f"strongest attacker who was run holds {KNOWLEDGE[2]} (alignment): `masking`" in text
    assert f"strongest attacker who was run holds {KNOWLEDGE[1]} (replay): `noise`" in text


def test_records_that_do_not_say_and_words_of_others_are_passed_over() -> None:
    assert strongest([record("masking")]) == ""
    assert strongest([record("masking", knows={"theirs": "a quantum computer"})]) == ""
    assert "strongest attacker" not in markdown(board([record("masking")]))
