"""What is kept between runs of `geneface talk` for one video: its folder, and what was decided."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from audio_motion.errors import InputError
from audio_motion.files import sha256_of, written_whole
from audio_motion.json_file import read_json
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.capture_format.fingerprint import fingerprint
from geneface_ns.capture_format.layout import Layout
from geneface_ns.output.finished import facts_of
from geneface_ns.talk.estimate import size_for
from geneface_ns.talk.options import TalkOptions
from geneface_ns.trained.checkpoint import FOLDER, checkpoints, step_of, trained_on
from geneface_ns.trained.methods import METHOD, METHODS
from geneface_ns.trained.runs import OUTPUTS

EXPERIMENT, TIMESTAMP = "talk", "run"
"""nerfstudio's names of the training, which keeps them: so it goes on where it was interrupted."""


@dataclass(frozen=True)
class Decided:
    """What the first run decided and later ones keep to, as long as nobody asks for something else."""

    video: tuple[str, ...]
    """Name, size and time of the file, and the SHA-256 of its bytes."""
    size: int | None
    """Pixels of the capture's longer side, as `geneface process --size` has it."""
    minutes: float | None = None
    """Of training; None: the usual ones for the size, or a number of steps was asked for."""
    iterations: int | None = None
    """Steps of the training; None until their speed is measured."""
    step: float | None = None
    """Seconds a step as measured; None where they were not."""
    method: str = METHOD
    """That the head is trained by."""
    others: dict[str, dict[str, Any]] = field(default_factory=dict)
    """OF_METHOD of the methods that were asked for before, by their names, for whoever goes back to one."""


OF_METHOD = ("minutes", "iterations", "step")
"""Of what is decided, what each method has its own of."""


@dataclass(frozen=True)
class Work:
    """Paths of one video's folder."""

    root: Path

    @property
    def capture(self) -> Layout:
        return Layout(self.root / "capture")

    @property
    def outputs(self) -> Path:
        """nerfstudio's folder of runs, beside the capture: `geneface render CAPTURE` finds them."""
        return self.root / OUTPUTS

    def run(self, method: str) -> Path:
        return self.outputs / EXPERIMENT / method / TIMESTAMP

    @property
    def log(self) -> Path:
        """All that the commands said."""
        return self.root / "talk.log"

    @property
    def videos(self) -> Path:
        """Which videos are finished."""
        return self.root / "videos.json"

    @property
    def decided(self) -> Decided | None:
        """What earlier runs decided.

        Raises:
            InputError: the folder holds something else.
        """
        if not self._state.is_file():
            if any(not path.name.startswith(".") for path in self.root.iterdir()):
                raise InputError(f"{self.root}: holds other files; choose another folder with --work")
            return None
        try:
            known = read_json(self._state, f"remove {self.root} to begin anew")
            decided = Decided(**{**known, "video": tuple(known["video"])})
            for method in (decided.method, *decided.others):
                _ = METHODS[method]
            return decided
        except (TypeError, KeyError) as error:
            raise InputError(f"{self._state}: of another release; remove {self.root} to begin anew") from error

    def save(self, decided: Decided) -> None:
        """Keep what was decided."""
        with written_whole(self._state) as temporary:
            temporary.write_text(json.dumps(asdict(decided), indent=1) + "\n")

    def forget(self) -> None:
        """Leave nothing behind of a video that was refused."""
        if not self.capture.root.exists() and not self.outputs.exists():
            for path in (self._state, self.log):
                path.unlink(missing_ok=True)

    @property
    def _state(self) -> Path:
        return self.root / "talk.json"

    def steps(self, method: str) -> int:
        """How many steps of a method's training are done, on the capture as it is now. Its head of another one is
        removed.

        Raises:
            InputError: the capture cannot be used.
        """
        found = checkpoints(self.run(method) / FOLDER)
        if not found:
            return 0
        if trained_on(found[0]) != fingerprint(load_capture(self.capture.root)):
            shutil.rmtree(self.run(method))
            return 0
        return step_of(found[0]) + 1


def decide(options: TalkOptions, before: Decided | None) -> Decided:
    """What is to be made, of what is asked for and what was decided before."""
    video = _identity(options.video, before)
    method = options.method or (METHOD if before is None else before.method)
    if before is None or before.video != video:
        size = options.size if options.size or options.minutes is None else size_for(options.minutes, method)
        return Decided(video, size, options.minutes, options.iterations, method=method)
    decided = _by(method, before)
    if options.size not in (None, before.size):
        # How long a step takes depends on the size.
        asked = decided.iterations if decided.step is None else None
        decided = Decided(video, options.size, decided.minutes, asked, method=method)
    if options.minutes not in (None, decided.minutes):
        steps = None if decided.step is None else iterations_in(options.minutes or 0.0, decided.step)
        decided = replace(decided, minutes=options.minutes, iterations=steps)
    if options.iterations is not None:
        decided = replace(decided, iterations=options.iterations, minutes=None)
    return decided


def _by(method: str, before: Decided) -> Decided:
    """What was decided, with a method's own training; what was decided of the one before is put aside."""
    if method == before.method:
        return before
    own = {name: getattr(before, name) for name in OF_METHOD}
    others = {**before.others, before.method: own}
    found = others.pop(method, dict.fromkeys(OF_METHOD))
    return replace(before, method=method, others=others, **found)


def _identity(video: Path, before: Decided | None) -> tuple[str, ...]:
    """Name, size, time and SHA-256 of the video; those decided before, where it is that file or a copy of it.

    Raises:
        InputError: it cannot be read.
    """
    facts = tuple(facts_of(video))
    if before is not None and before.video[: len(facts)] == facts:
        return before.video
    try:
        known = (*facts, sha256_of(video))
    except OSError as error:
        raise InputError(f"{video}: {error.strerror}; give a video") from error
    if before is not None and before.video[len(facts) :] == known[len(facts) :]:
        return before.video
    return known


def iterations_in(minutes: float, step: float) -> int:
    """Steps that so many minutes suffice for, of so many seconds each."""
    count = minutes * 60 / step
    return max(100, int(round(count, -2)))


def kept(before: Decided, decided: Decided, steps: int | None) -> str:
    """What of an earlier run is kept and what must be made anew, in words.

    Args:
        steps: of the training that are done; None where the video is not processed.
    """
    if before.video != decided.video:
        return f"{decided.video[0]} is not the file that it was: capture and head are made anew"
    if before.size != decided.size:
        return f"{decided.size} pixels, {before.size or 'as many as there were'} before: capture and head are made anew"
    if steps is None:
        return "an earlier run was stopped while it processed the video: going on there"
    by = "" if before.method == decided.method else f" by {decided.method}"
    if by and not steps:
        return f"the capture is kept, and the head by {before.method}; one{by} is trained"
    if decided.iterations is None or steps < decided.iterations:
        return f"the capture is kept, and {steps} steps of the head{by}; it is trained on"
    more = f", which has more steps than are asked for ({decided.iterations})" if steps > decided.iterations else ""
    return f"the capture and the head of {steps} steps{by} are kept{more}"
