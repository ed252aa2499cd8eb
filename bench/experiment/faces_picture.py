"""Pictures of some faces before and after they were made private, each of which says whether the faces are real."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ...reports.pictures.shows import Shows, mark, shows
from ..plan.fitted import fitted_on
from .stages.release import private_faces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...datasets.base import Faces
    from .pipeline import Pipeline

COLUMNS = 10
FACES, FIT = "faces.png", "fit.png"


def keep(run: Pipeline, folder: Path, *, asked: bool, anew: bool) -> None:
    """Put pictures of faces beside a run's other figures: of drawn faces always, of real ones where they are asked for.

    Args:
        run: a run whose release is made.
        folder: of the figures.
        asked: whether the user asked for real faces with this very command.
        anew: whether the run is a new one, so that pictures that are there are of an earlier one.
    """
    of: Shows = "drawn faces" if _drawn(run) else "real faces"
    if anew:
        for name in (FACES, FIT):
            (folder / name).unlink(missing_ok=True)
    if of == "real faces" and not asked:
        return
    if not _is(folder / FACES, of):
        _put(folder / FACES, lambda path: draw_grid(run, path), of)
    shown_in_fit = sorted(run.path(run.fit).glob("*.png")) if run.fit else []
    if shown_in_fit and not _is(folder / FIT, of):  # the last of the pictures that fitting left
        _put(folder / FIT, lambda path: shutil.copyfile(shown_in_fit[-1], path), of)


def _drawn(run: Pipeline) -> bool:
    """Whether nobody real can be seen: faces are drawn, and the method brings none from a file, as `external` does."""
    method = run.context.method
    people = fitted_on(method)
    weights = method.brought if people and people.drawn is not None else None
    files = (value for value in vars(method).values() if isinstance(value, Path) and value != weights)
    return run.context.data.synthetic and not any(files)


def _is(path: Path, of: Shows) -> bool:
    return path.is_file() and shows(path) == of


def _put(path: Path, draw: Callable[[Path], object], of: Shows) -> None:
    """Make a picture that says what it shows as soon as it has its name."""
    partial = path.with_name(path.name + ".part")
    try:
        draw(partial)
        mark(partial, of)
        partial.replace(path)
    except ValueError:  # no PNG: it cannot say what it shows, so it stays where it is
        return
    finally:
        partial.unlink(missing_ok=True)


def some(run: Pipeline, *, columns: int = COLUMNS) -> NDArray[np.uint8]:
    """The first private face of some people of role P: uint8 [B, H, W, 3], RGB.

    Raises:
        ValueError: the run shows, or may show, real faces.
    """
    import numpy as np

    if not _drawn(run):
        raise ValueError(f"expected a run on drawn faces, got one on {run.context.data.name}")
    faces = private_faces(run.path(run.release))
    first = np.unique(faces.labels, return_index=True)[1][:columns]
    return np.stack([faces[int(index)].image.numpy().transpose(1, 2, 0) for index in first])


def draw_grid(run: Pipeline, path: Path) -> None:
    """Draw the first face of some people of role P above its private version, as a PNG.

    Where private faces show new people there is nothing above: three rows of private faces, a person a column.
    It shows faces: callers see to it that they are synthetic, or that the user asked.

    Args:
        run: a run whose release is made.
        path: the file to write.
    """
    import numpy as np
    import torch

    from ...datasets.recordio import RecordIO
    from ...datasets.views.grid import write_grid

    private: Faces = RecordIO(root=run.path(run.release)).open()

    def row(faces: Faces, number: int) -> torch.Tensor:
        first = np.unique(faces.labels, return_index=True)[1][:COLUMNS]
        return torch.stack([faces[min(int(index) + number, len(faces) - 1)].image for index in first])

    if run.context.method.sourced:
        write_grid([row(run.context.data.role("P"), 0), row(private, 0)], path)
    else:
        write_grid([row(private, number) for number in range(3)], path)
