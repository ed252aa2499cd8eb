"""Training goes on after SIGKILL as if nothing had happened, and several processes train as one."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from facebench.facemae.resume import STATE
from facebench.facemae.runtime.checkpoint import WeightsError

WORK = """
    import os, signal, sys
    import torch
    from pathlib import Path
    from torch import nn
    from facebench.facemae.model import Architecture, MaskedAutoencoder
    from facebench.facemae.train import Training, train

    torch.set_num_threads(1)
    SMALL = Architecture(height=16, width=24, patch=8, encoder=(32, 2, 4), decoder=(32, 1, 4))

    def images():
        generator = torch.Generator().manual_seed(0)
        return torch.randint(0, 256, (24, 3, 16, 24), dtype=torch.uint8, generator=generator)

    def teacher():
        torch.manual_seed(1)
        return nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.Tanh(), nn.Flatten(), nn.Linear(8 * 4 * 6, 16)).eval()

    def batches(ask):
        order = torch.randperm(24, generator=torch.Generator().manual_seed(ask.epoch))
        for at in range(ask.first, 3):
            rows = order[8 * at : 8 * at + 8].chunk(ask.parts)[ask.part]
            yield images()[rows]

    def run(scratch, out, steps=11, kill=0, **how):
        if kill and (child := os.fork()):  # importing torch anew for each try would take most of the time
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
            return
        model, lines = MaskedAutoencoder(SMALL, seed=3), []

        def record(line):
            if line.step == kill:
                os.kill(os.getpid(), signal.SIGKILL)
            lines.append(list(line))

        training = Training(steps=steps, lr=3e-3, relation_weight=5, pixel_weight=1, **how)
        train(model, batches, training, teacher=teacher(), seed=7, device=torch.device("cpu"), record=record,
              scratch=scratch, save_every=0)
        if int(os.environ.get("RANK", 0)) == 0:
            torch.save({"state": model.state_dict(), "lines": torch.tensor(lines, dtype=torch.float64)}, out)
"""


def call(folder: Path, line: str, *, processes: int = 0) -> None:
    script = folder / "work.py"
    script.write_text(textwrap.dedent(WORK) + "\n" + line + "\n")
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)] if processes else []
    done = subprocess.run([sys.executable, *launch, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def read(path: Path) -> dict:
    found: dict = torch.load(path, weights_only=True)
    return found


def equal(one: dict, other: dict) -> bool:
    states = one["state"], other["state"]
    return torch.equal(one["lines"], other["lines"]) and all(torch.equal(states[0][k], states[1][k]) for k in states[0])


@pytest.mark.slow
@pytest.mark.parametrize("how", ["", ", ema=0.9, memory=20, ratio=(0.4, 0.8), mask='block'"])
def test_training_that_was_killed_goes_on_to_the_same_weights(tmp_path, how):
    whole, out, scratch = (repr(str(tmp_path / name)) for name in ("whole.pt", "out.pt", "scratch"))
    call(
        tmp_path,
        f"""
for step in (5, 9):
    run(Path({scratch}), {out}, kill=step{how})
    assert Path({scratch}, {STATE!r}).is_file()
run(Path({scratch}), {out}{how})
run(None, {whole}{how})
""",
    )
    assert equal(read(tmp_path / "whole.pt"), read(tmp_path / "out.pt"))


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_whole_batch(tmp_path):
    for name, processes in (("one", 0), ("two", 2)):
        call(tmp_path, f"run(None, {str(tmp_path / name)!r}, memory=16)", processes=processes)
    one, two = read(tmp_path / "one"), read(tmp_path / "two")
    torch.testing.assert_close(one["lines"], two["lines"], rtol=1e-4, atol=1e-6)
    for name, weight in one["state"].items():
        torch.testing.assert_close(weight, two["state"][name], rtol=1e-2, atol=1e-3)


@pytest.mark.slow
def test_a_state_of_another_training_is_not_taken_and_a_damaged_one_is_told(tmp_path):
    out, scratch = str(tmp_path / "out.pt"), f"Path({str(tmp_path / 'scratch')!r})"
    call(tmp_path, f"run({scratch}, {out!r}, kill=5)")
    call(tmp_path, f"run({scratch}, {out!r}, steps=4)")
    assert len(read(tmp_path / "out.pt")["lines"]) == 4
    sys.path.insert(0, str(tmp_path))
    try:
        import work  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(tmp_path))
    state = tmp_path / "scratch" / STATE
    state.write_bytes(state.read_bytes()[:200])
    with pytest.raises(WeightsError, match=r"unfinished training cannot be used .* delete the file to begin anew"):
        work.run(tmp_path / "scratch", tmp_path / "out.pt", steps=4)
