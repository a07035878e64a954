"""How well a sync expert that never heard the speakers tells delays that are known.

    audio-motion corpus CLIPS CORPUS --speaker-table speakers.csv
    python benchmarks/known_delays.py CORPUS known.csv

The expert learns from all other speakers of the corpus, whose sound the corpus has put right.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from machine import describe

from audio_motion.data.corpus import load_corpus
from audio_motion.data.recording import align
from audio_motion.data.sources import load_recordings
from audio_motion.features.interface import DEFAULT, open_features
from audio_motion.sync import lag_of, lag_scores
from audio_motion.training.syncnet import SyncTraining, fit_syncnet


@dataclass
class Known:
    """What to learn from, and what is known."""

    corpus: Annotated[Path, tyro.conf.Positional]
    """Of `audio-motion corpus`."""
    known: Annotated[Path, tyro.conf.Positional]
    """CSV with the columns file and late: clips of the corpus, and the seconds by which their sound comes late."""
    features: str = DEFAULT
    """Speech features, as `audio-motion train` takes them."""


def main(config: Known) -> None:
    print(describe())
    with config.known.open(newline="") as file:
        late = {row["file"]: float(row["late"]) for row in csv.DictReader(file)}
    moved = {c["name"]: c["shifted"] for c in json.loads((config.corpus / "corpus.json").read_text())["clips"]}
    features, corpus = open_features(config.features), load_corpus(config.corpus)
    clips = [clip for clip in corpus if clip.name in late]
    people = {clip.speaker for clip in clips}
    trained, held = (
        [r for r in load_recordings(config.corpus, features, split) if r.face.person not in people]
        for split in ("train", "held-out")
    )
    expert = fit_syncnet(trained, held, features, SyncTraining()).model
    print(f"learnt from {len({r.face.person for r in trained})} other speakers")
    print("| clip | seconds | late | estimated | off |")
    print("| --- | --- | --- | --- | --- |")
    for clip in clips:
        # What the corpus has moved its sound by is a part of the estimate.
        recording = align(clip.sequence, clip.samples, features, clip.name)
        rest = lag_of(lag_scores(expert, recording)).seconds
        true, found = late[clip.name], moved[clip.name] + rest
        print(f"| {clip.name} | {recording.seconds:.1f} | {true:.2f} | {found:.3f} | {found - true:+.3f} |")


if __name__ == "__main__":
    main(tyro.cli(Known))
