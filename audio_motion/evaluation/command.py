"""`audio-motion evaluate`: how well generators follow speakers whom they never heard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from audio_motion.files import need_output


@dataclass(frozen=True)
class EvaluateCommand:
    """Measure generators on speakers whom they never heard, beside simple baselines.

    Writes evaluation.json, evaluation.png and prints a table.
    """

    generators: tyro.conf.Positional[tuple[Path, ...]]
    """Checkpoints of `audio-motion train generator`, all of the same speech features: a table row each. The one that
    comes with the package if none is named."""
    on: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    """What is measured on, once for each: corpora (see --split), captures, or .npz sequences with their sound."""
    learn_from: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    """What the baselines (ridge regression, nearest neighbour) learn from, once for each; without it only the mean
    face stands beside the generators."""
    speech: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    """Sounds without a picture, once for each: other languages, noise, song. Sync and liveliness can be told, and how
    often the mouth shuts for /p b m/ where a .json of the same name lists "phones": [[name, start, end], …]."""
    split: Literal["train", "held-out", "all"] = "held-out"
    """What is measured on. held-out: what training holds out (a corpus's held-out speakers, a capture's test frames,
    the last tenth of a sequence); train: what it learns from; all: for what nothing was trained on."""
    expert: Path | None = None
    """Sync expert of the same features, also the judge of --speech. Default: the one that comes with the package, for
    its own features."""
    features: str | None = None
    """Where the generators' speech features are now (default: where they were in training)."""
    output: Path = Path("evaluation")
    """Folder for the results."""

    def run(self) -> None:
        """Measure, print, write."""
        from audio_motion.errors import InputError
        from audio_motion.evaluation.evaluate import evaluate
        from audio_motion.models.pretrained import PRETRAINED_GENERATOR

        if not self.on and not self.speech:
            raise InputError(
                "nothing to measure on: name a corpus, captures or sequences by --on, or sounds by --speech"
            )
        phones = (path.with_suffix(".json") for path in self.speech)
        given = (*self.generators, *self.on, *self.learn_from, *self.speech, *phones, self.expert)
        for name in ("evaluation.json", "evaluation.png"):
            need_output(self.output / name, given)
        evaluate(
            self.generators or (PRETRAINED_GENERATOR,),
            self.on,
            self.learn_from,
            self.speech,
            self.split,
            self.expert,
            self.features,
            self.output,
        )
