"""The measuring stick measures the same every time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from facebench.bench.biometrics import embeddings
from facebench.bench.biometrics.embeddings import embed_all
from facebench.bench.recognition import verification
from facebench.bench.recognition.judge import Judge, JudgeError, network_embed
from facebench.bench.recognition.recognizer import LOG, WEIGHTS, Recognizer, train
from facebench.datasets.synthetic import Synthetic
from facebench.facemae.runtime.errors import TrainingError

CPU = torch.device("cpu")
HOW = Recognizer(architecture="small", dim=32, steps=4, batch=8, lr=0.05)


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / WEIGHTS, weights_only=True)["state"]


def test_equal_seeds_give_equal_weights_and_other_seeds_others(tmp_path: Path) -> None:
    faces = Synthetic(people=4, images=4).open()
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        torch.manual_seed(hash(name) % 1000)  # what others did to the global state must not matter
        train(faces, tmp_path / name, HOW, seed=seed, device=CPU)
    a, b, c = (_weights(tmp_path / name) for name in "abc")
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not all(torch.equal(a[key], c[key]) for key in a)


def test_training_leaves_the_global_random_state_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    train(Synthetic(people=3, images=2).open(), tmp_path, HOW, seed=0, device=CPU)
    assert torch.equal(torch.rand(1), expected)


def test_the_log_has_a_line_a_step_and_the_rate_warms_up_and_falls(tmp_path: Path) -> None:
    how = Recognizer(architecture="small", dim=32, steps=10, batch=4, lr=0.1, warmup=0.3)
    train(Synthetic(people=3, images=4).open(), tmp_path, how, seed=0, device=CPU)
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(10))
    rates = [line["lr"] for line in lines]
    assert rates[0] < rates[1] < rates[2] < rates[3] == max(rates)
    assert rates[-1] < 0.3 * max(rates)


def test_length_is_counted_in_steps_whatever_the_size_of_the_set(tmp_path: Path) -> None:
    for people in (2, 5):
        (tmp_path / str(people)).mkdir()
        train(Synthetic(people=people, images=3).open(), tmp_path / str(people), HOW, seed=0, device=CPU)
        assert len((tmp_path / str(people) / LOG).read_text().splitlines()) == HOW.steps


def test_one_person_cannot_be_told_apart(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="2 or more people"):
        train(Synthetic(people=1, images=4).open(), tmp_path, HOW, seed=0, device=CPU)


def test_embedding_is_the_same_for_any_block_and_keeps_the_order(tmp_path: Path, monkeypatch) -> None:
    faces = Synthetic(people=3, images=3).open()
    train(faces, tmp_path, HOW, seed=0, device=CPU)
    embed = network_embed(tmp_path / WEIGHTS, device=CPU)
    whole = embed_all(embed, faces)
    monkeypatch.setattr(embeddings, "_BLOCK", 4)
    parts = embed_all(embed, faces)
    np.testing.assert_allclose(whole.vectors, parts.vectors, atol=1e-5)
    assert np.array_equal(whole.identity, faces.labels)
    np.testing.assert_allclose(np.linalg.norm(whole.vectors, axis=1), 1, atol=1e-5)


def test_damaged_scores_are_told(tmp_path: Path) -> None:
    (tmp_path / verification.SCORES).write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(verification.ScoresError, match="--force verify"):
        verification.read(tmp_path)


def test_a_judge_must_declare_its_preprocessing(tmp_path: Path) -> None:
    (tmp_path / "judge.onnx").write_bytes(b"x")
    with pytest.raises(JudgeError, match=r"attack\.preprocessing"):
        Judge(embedder=tmp_path / "judge.onnx").spelled()
    assert Judge().spelled() == {"embedder": "in-house", "flip": True}


def test_an_output_is_part_of_a_judges_key_where_it_is_named_and_of_nothing_elsewhere(tmp_path: Path) -> None:
    """Keys of stages and hashes of records that are there already stay as they are."""
    path = tmp_path / "judge.onnx"
    path.write_bytes(b"content")
    plain = Judge(embedder=path, preprocessing="raw")
    assert set(plain.spelled()) == {"embedder", "preprocessing", "bgr", "flip"}
    assert "output" not in plain.described(plain.spelled())
    assert "output" not in plain.model_dump() | Judge().model_dump()
    named = Judge(embedder=path, preprocessing="raw", output="embedding")
    assert named.spelled() == {**plain.spelled(), "output": "embedding"}
    assert named.described(named.spelled())["output"] == "embedding"


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/tmp", "a\0b"])
def test_a_judge_that_is_no_file_is_refused_and_not_read(device: str) -> None:
    with pytest.raises(JudgeError, match=r"attack\.embedder: .*; name an ONNX file"):
        Judge(embedder=Path(device), preprocessing="raw").spelled()
