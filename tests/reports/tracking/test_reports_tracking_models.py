"""Models and the machine's load in MLflow: only where asked for, and back as they went."""

from __future__ import annotations

import json
import os
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from facebench.datasets.synthetic import Synthetic
from facebench.facemae.recognition import embedder
from facebench.facemae.recognition.export import Embed
from facebench.facemae.runtime.randomness import numbers
from facebench.methods.base import Fit
from facebench.methods.facemae import FaceMAE
from facebench.methods.mae import MAE
from facebench.reports.result.record import write
from facebench.reports.tracking import system
from facebench.reports.tracking.mirror import Model, TrackingError, mirror, mirrored
from facebench.reports.tracking.models import save
from made_up import record

CPU = torch.device("cpu")


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def faces(count: int) -> torch.Tensor:
    drawn = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, 112, 112), dtype=torch.uint8, generator=drawn)


def recognizer() -> tuple[torch.nn.Module, Model]:
    torch.manual_seed(0)
    network = embedder.build("small", dim=16).eval()
    embed = Embed(network).eval()
    return network, Model(embed, embed.example(), {"stage": "0123"})


@pytest.fixture(autouse=True)
def _no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")


@pytest.mark.filterwarnings("ignore")  # what MLflow's and torch's own loaders say
def test_models_come_back_as_they_went_and_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow.pytorch

    uri, made = f"sqlite:///{tmp_path}/mlflow.db", record()
    where = write(made, tmp_path / "records")
    network, model = recognizer()
    asked = []

    def opened() -> Model:
        asked.append(1)
        return model

    run = mirror(made, uri=uri, record_path=where)
    assert rows(tmp_path / "mlflow.db", "SELECT * FROM logged_models") == [], "nobody asked for any"
    assert not mirrored(where, uri, models=True)
    for _ in range(2):
        assert mirror(made, uri=uri, record_path=where, models={"recognizer": opened, "method": lambda: None}) == run
    assert mirrored(where, uri, models=True)
    assert len(asked) == 1, "what is there is not made again"
    assert mirror(made, uri=uri, record_path=where) == run
    assert mirrored(where, uri, models=True), "they are still there"
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        back = mlflow.pytorch.load_model(f"runs:/{run}/recognizer")
    finally:
        mlflow.set_tracking_uri(before)
    seen = faces(5)
    expected = torch.from_numpy(embedder.embed(network, seen, device=CPU))
    torch.testing.assert_close(back(seen), expected, rtol=0, atol=1e-6)

    changed = record(accuracy=0.9)
    mirror(changed, uri=uri, record_path=write(changed, tmp_path / "records"))
    (stages,) = zip(*rows(tmp_path / "mlflow.db", "SELECT lifecycle_stage FROM logged_models"), strict=True)
    assert set(stages) == {"deleted"}, "they go with the run of the earlier record"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mask", ["random", "block"])
def test_a_fitted_method_comes_back_as_a_network_for_any_number_of_faces(tmp_path: Path, mask: Any) -> None:
    import mlflow.pytorch

    method = MAE(steps=1, batch=4, mask=mask)
    method.fit(Synthetic(people=4, images=2).open(), tmp_path, Fit(seed=0, device=CPU))
    network = method.network(tmp_path)
    assert network is not None
    save(Model(network.module, network.example), tmp_path / "model")
    back = mlflow.pytorch.load_model(str(tmp_path / "model"))
    for count in (2, 32):
        seen = faces(count)
        keys = (torch.arange(32 * count) % 251).to(torch.uint8).reshape(count, 32)
        drawn = numbers(keys, {"random": 49, "block": 3}[mask])
        expected = method.load(tmp_path, device=CPU)(seen, keys)
        assert (back(seen, drawn).int() - expected.int()).abs().max() <= 1, "a grey level, for batches differ"
    assert (back(seen, numbers(keys, drawn.shape[1], purpose=1)) != expected).any(), "chance decides what is hidden"


def test_a_mask_that_cannot_be_traced_makes_no_model(tmp_path: Path) -> None:
    assert FaceMAE(mask="face").network(tmp_path) is None


@pytest.mark.filterwarnings("ignore")
def test_a_model_tells_no_folder_of_this_machine(tmp_path: Path) -> None:
    save(recognizer()[1], tmp_path / "model")
    here = str(Path(embedder.__file__).parent).encode()
    for path in (tmp_path / "model").rglob("*"):
        if path.suffix == ".pt2":
            with zipfile.ZipFile(path) as archive:
                content = b"".join(archive.read(name) for name in archive.namelist())
        else:
            content = path.read_bytes() if path.is_file() else b""
        assert here not in content
        assert b"site-packages" not in content


def test_the_load_of_the_machine_goes_along_with_its_own_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    kept = tmp_path / "system" / "load.jsonl"
    with system.sampling(kept):
        os.urandom(1)
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert len(lines) >= 2, "one at once, one at the end"
    assert 0 < lines[0]["system_memory_usage_percentage"] <= 100
    made = record()
    run = mirror(made, uri=f"sqlite:///{tmp_path}/mlflow.db", record_path=write(made, tmp_path / "r"), system=kept)
    query = f"SELECT step, timestamp FROM metrics WHERE run_uuid = '{run}' AND key LIKE 'system/cpu%'"
    assert sorted(rows(tmp_path / "mlflow.db", query)) == [(line["step"], line["time"]) for line in lines]


def test_an_error_in_the_run_stops_the_watch_and_gets_through(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), system.sampling(tmp_path / "load.jsonl"):
        1 / 0  # noqa: B018
    assert len((tmp_path / "load.jsonl").read_text().splitlines()) >= 2


def test_what_the_watch_lacks_is_told_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    system.check()
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "often")
    with pytest.raises(TrackingError, match="expected seconds above 0, got 'often'"):
        system.check()
    monkeypatch.setattr(system, "find_spec", lambda name: None)
    with pytest.raises(TrackingError, match="pip install psutil"):
        system.check()
