"""The generator and the sync expert that come with the package, made again.

    audio-motion corpus CLIPS CORPUS --speaker-table speakers.csv --lag-confidence 99
    python benchmarks/shipped_models.py CORPUS --delays delays.csv --output audio_motion/weights

As `audio-motion train syncnet` and `audio-motion train generator --size corpus` do on the corpus, but for the delays,
which may have been measured by other means than the corpus's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from machine import describe
from speech_to_motion import Folds, load

from audio_motion.data.corpus import load_corpus
from audio_motion.features.interface import DEFAULT, open_features
from audio_motion.models.checkpoint import load_syncnet, save_generator, save_syncnet
from audio_motion.progress import progress_bar
from audio_motion.training.generator import GeneratorTraining, fit_generator
from audio_motion.training.syncnet import SyncTraining, fit_syncnet


@dataclass
class Ship:
    """What to learn from, and where to."""

    corpus: Annotated[Path, tyro.conf.Positional]
    """Of `audio-motion corpus`."""
    delays: Path | None = None
    """As in `speech_to_motion.py`."""
    without: tuple[str, ...] = ()
    """Speakers left out altogether: whom other benchmarks fit a head or a post-net to."""
    output: Path = Path("shipped_models")
    """Folder for generator.safetensors and syncnet.safetensors; a training that was stopped goes on."""


def main(config: Ship) -> None:
    print(describe())
    config.output.mkdir(parents=True, exist_ok=True)
    features = open_features(DEFAULT)
    recordings = load(Folds(config.corpus, config.delays, DEFAULT))
    missing = set(config.without) - {r.face.person for r in recordings}
    assert not missing, f"{config.corpus}: no speaker {missing}"
    recordings = [r for r in recordings if r.face.person not in config.without]
    apart = {clip.speaker for clip in load_corpus(config.corpus, "held-out")}
    held = [r for r in recordings if r.face.person in apart]
    trained = [r for r in recordings if r.face.person not in apart]
    for name, part in (("learnt from", trained), ("held out", held)):
        people, minutes = len({r.face.person for r in part}), sum(r.seconds for r in part) / 60
        print(f"{name}: {len(part)} recordings of {people} speakers, {minutes:.1f} minutes", flush=True)
    expert, generator = (config.output / f"{name}.safetensors" for name in ("syncnet", "generator"))
    if not expert.is_file():
        with progress_bar("sync expert") as report:
            state = expert.with_suffix(".state")
            save_syncnet(expert, fit_syncnet(trained, held, features, SyncTraining(), report, state))
    judge = load_syncnet(expert)
    print(judge.training, flush=True)
    with progress_bar("generator") as report:
        state, training = generator.with_suffix(".state"), GeneratorTraining.corpus()
        made = fit_generator(trained, held, features, training, judge.model, report, state)
        save_generator(generator, made)
    print(made.training, f"amplitude {made.amplitude:.3f}")


if __name__ == "__main__":
    main(tyro.cli(Ship))
