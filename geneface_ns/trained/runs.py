"""What a command means by RUN: a training's folder, its config.yml, the capture it was trained on, or a person file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from audio_motion.errors import InputError
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.capture_format.fingerprint import fingerprint
from geneface_ns.capture_format.layout import Layout
from geneface_ns.capture_format.person import is_person_file
from geneface_ns.trained.checkpoint import FOLDER, checkpoints, find_run, trained_on
from geneface_ns.trained.load import find_trained
from geneface_ns.trained.methods import METHOD

OUTPUTS = "outputs"
"""nerfstudio's own folder of runs, below the current folder."""


class Source(NamedTuple):
    """Where a trained head is: what `load_trained` takes."""

    path: Path
    """The run's folder, or a person file."""
    data: Path | None
    """The capture, where it does not lie where the head was trained from."""
    said: str | None = None
    """Which run was taken, where that was not said by who asked."""

    @property
    def weights(self) -> Path:
        """The file that holds the head."""
        return self.path if is_person_file(self.path) else checkpoints(self.path / FOLDER)[0]


def resolve(given: Path, data: Path | None = None, wanted: str | None = None) -> Source:
    """The trained head that a user means. The one place that knows what RUN can be.

    Args:
        given: a person file, a run's folder, its config.yml, or a capture's folder: then the newest run of that
            capture is taken, of those in `outputs/` of the current folder and in `outputs/` beside the capture, where
            `geneface talk` keeps its own. Runs are known by the capture's fingerprint in their checkpoints, whatever
            their folders are called.
        data: the capture, where the user says it.
        wanted: the method whose runs alone are taken of a capture; None: either's. What the user names himself is not
            looked at.

    Raises:
        InputError: as `find_run`; or no run of that capture is there.
    """
    given = Path(given)
    if is_person_file(given):
        find_trained(given)
        return Source(given, data)
    if not Layout(given).transforms.is_file():
        return Source(find_run(given), data)
    capture = fingerprint(load_capture(given))
    places = [Path(OUTPUTS), given.absolute().parent / OUTPUTS]
    for checkpoint in _newest_first(places):
        if trained_on(checkpoint, wanted) == capture:
            run = checkpoint.parent.parent
            return Source(run, data or given, f"{given}: taking its newest run, {run}")
    looked = " and ".join(f"{place}/" for place in places)
    raise InputError(
        f"{given}: no run of {f'{wanted} on ' if wanted else ''}this capture in {looked}; train one with `ns-train "
        f"{wanted or METHOD} --data {given}`, or give the run's folder"
    )


def _newest_first(places: list[Path]) -> Iterator[Path]:
    """The furthest checkpoint of each run in some folders of runs, the one written last first."""
    found: dict[Path, Path] = {}
    for place in places:
        for folder in place.glob(f"*/*/*/{FOLDER}"):
            for checkpoint in checkpoints(folder)[:1]:
                found.setdefault(checkpoint.resolve(), checkpoint)
    yield from sorted(found.values(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
