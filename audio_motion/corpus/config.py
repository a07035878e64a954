"""The options of `audio-motion corpus`. Imports nothing heavy: the command line is made from these."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import tyro

VERSION = 2
"""Raised when what is made of a clip changes, so that clips of an older version are not mixed with new ones."""


@dataclass(frozen=True)
class Gate:
    """What a clip must be to be learned from. corpus.json has each clip's figures, report.png their distribution."""

    min_seconds: float = 2.0
    """Seconds of picture with sound; shorter clips teach little and their delay cannot be told."""
    max_seconds: float = 1200.0
    """Seconds; longer videos need more than about 1 GB of memory a worker: cut them."""
    min_fps: float = 15.0
    """Frames per second; slower pictures miss the mouth's closures."""
    min_face_width: float = 60.0
    """Median distance between the jaw's ends, pixels; the mouth of a smaller face moves by less than the detector's
    error."""
    max_unseen: float = 0.1
    """Share of the frames without a face."""
    max_yaw: float = 45.0
    """Degrees of yaw beyond which a frame counts as turned away."""
    max_turned: float = 0.15
    """Share of the frames turned away."""
    max_misfit: float = 0.02
    """Mean distance of the rigid points from the rigid face, in face widths; more is a wrong or covered face."""
    min_level: float = -50.0
    """Decibels below full scale of the sound's loud parts (95th percentile of 20 ms windows)."""
    min_speech: float = 0.3
    """Share of the time as loud as speech: within 30 dB of the loud parts."""
    min_rhythm: float = 1.5
    """Decibels by which loudness swings 2 to 8 times a second, as syllables do; hum, noise and held notes swing less. A
    weak test: singing, and music with a beat, pass it."""
    max_sound_mismatch: float = 1.0
    """Seconds between the ends of sound and picture; more means that the sound belongs to something else."""


@dataclass(frozen=True)
class CorpusConfig:
    """What to make a corpus from, and how."""

    videos: tyro.conf.Positional[Path]
    """Folder of talking videos, in any layout; sound inside them, or in a .wav, .m4a or .flac of the same name beside
    them."""
    output: tyro.conf.Positional[Path]
    """Folder to write. An interrupted run goes on when started again; new videos are added to what is there."""
    speakers: Literal["folder", "clip"] = "folder"
    """Who speaks. folder: the first folder that is not a part of the data set (train, dev, mp4, …) names the speaker,
    and for videos in no folder their name without the number at its end; clip: each clip is a speaker of its own."""
    speaker_table: Path | None = None
    """CSV with the columns file (path below the folder of videos) and speaker; instead of --speakers."""
    held_out: float = 0.1
    """Share of the speakers kept for validation; a speaker's side depends on the name alone."""
    lag_confidence: float = 0.15
    """Confidence from which an estimated delay of the sound is corrected; below it the sound stays where it is."""
    workers: int | None = None
    """Clips worked on at once, a core each (default: all cores, of the cluster where there is one)."""
    ray_address: str | None = None
    """Address of a running Ray cluster ("auto" for the one this machine belongs to); by default this machine works
    alone. On a cluster both folders must lie under the same path on every machine."""
    gate: Gate = field(default_factory=Gate)

    def content(self) -> dict:
        """The options that decide what is made of a clip (JSON values); speakers and split are decided later."""
        return {"version": VERSION, "lag_confidence": self.lag_confidence, "gate": asdict(self.gate)}
