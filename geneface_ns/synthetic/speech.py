"""The avatar's voice: the shipped clips with their phoneme times, and tracks made of several of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio_motion.errors import InputError
from audio_motion.media import load_audio

FOLDER = Path(__file__).parent / "speech"
RATE = 16000


@dataclass(frozen=True)
class Speech:
    """Sound and what is said when."""

    sound: np.ndarray
    """float32 [S], 16 kHz mono."""
    phones: tuple[tuple[str, float, float], ...]
    """(name, start, end) in seconds, in order; names are the synthesizer's, "pau" is a pause."""
    text: str

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.sound) / RATE


def speech_names(prefix: str = "") -> list[str]:
    """Names of the shipped clips: train_01 … train_12, unseen_01 … unseen_03, second_voice, german."""
    return sorted(path.stem for path in FOLDER.glob(f"{prefix}*.json"))


def load_speech(name: str) -> Speech:
    """A shipped clip.

    Raises:
        InputError: there is none of that name.
    """
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        raise InputError(f"no speech clip named {name!r}; choose from {', '.join(speech_names())}")
    facts = json.loads(path.read_text(encoding="utf-8"))
    phones = tuple((str(p), float(start), float(end)) for p, start, end in facts["phones"])
    return Speech(load_audio(path.with_suffix(".flac"), RATE), phones, facts["text"])


def speech_track(names: Sequence[str], seed: int, seconds: float | None = None) -> Speech:
    """Clips one after the other, 0.3 to 0.5 s of pause between them and 0.6 s of silence at both ends.

    Args:
        names: clips; seed: of the pauses' lengths; seconds: the track is cut there, or the clips repeated until then.

    Raises:
        InputError: no names, an unknown name, or a length that is not positive.
    """
    if not names:
        raise InputError("no speech clips named; name at least one")
    if seconds is not None and seconds <= 0:
        raise InputError(f"a clip of {seconds} s cannot be made; ask for a positive length")
    rng = np.random.default_rng([seed, 7])
    sounds: list[np.ndarray] = []
    phones: list[tuple[str, float, float]] = []
    texts: list[str] = []
    samples = 0

    def pause(length: float) -> None:
        nonlocal samples
        count = round(length * RATE)
        sounds.append(np.zeros(count, np.float32))
        phones.append(("pau", samples / RATE, (samples + count) / RATE))
        samples += count

    pause(0.6)
    while True:
        for name in names:
            if texts:
                pause(float(rng.uniform(0.3, 0.5)))
            clip = load_speech(name)
            start = samples / RATE
            sounds.append(clip.sound)
            phones += [(p, a + start, b + start) for p, a, b in clip.phones]
            texts.append(clip.text)
            samples += len(clip.sound)
        if seconds is None or samples / RATE >= seconds:
            break
    if seconds is None:
        pause(0.6)
    sound = np.concatenate(sounds)
    if seconds is not None:
        sound = sound[: round(seconds * RATE)]
        phones = [(p, a, min(b, seconds)) for p, a, b in phones if a < seconds]
    return Speech(sound, tuple(phones), " ".join(texts))
