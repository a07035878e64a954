"""How the package's own generator takes speech that was recorded too quietly or too loudly: as it is, and levelled.

python benchmarks/speech_level.py SOUND … [--picture openings.png]

Each sound is turned up and down, cut off at full scale and rounded to 16 bit; the opening of the inner lips is compared
with that of the same sound as it came: correlation, and ratio of the standard deviations. Then noise and silence alone,
in parts of the opening's standard deviation over the first sound, and speech in white noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from machine import describe

from audio_motion.evaluation.measures import correlation
from audio_motion.features.level import SpeechLevel, levelled
from audio_motion.files import written_whole
from audio_motion.media import SAMPLE_RATE, load_audio
from audio_motion.models.pretrained import PRETRAINED_GENERATOR
from audio_motion.predict import Generator
from audio_motion.topology import mouth_opening


@dataclass
class Levels:
    """What to listen to."""

    sounds: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Speech, a voice each."""
    decibels: tuple[float, ...] = (10.0, 0.0, -10.0, -20.0, -30.0, -40.0)
    """By which each is made louder."""
    noise: float = -50.0
    """dB of full scale of the noise that is heard alone."""
    ratio: float = 10.0
    """dB by which speech is above the noise that it is heard in."""
    picture: Path | None = None
    """PNG to draw the openings into."""


def recorded(samples: np.ndarray, decibels: float) -> np.ndarray:
    """As a 16-bit recorder keeps it, so many dB louder: float32 [S] -> float32 [S]."""
    louder = np.clip(samples.astype(np.float64) * 10.0 ** (decibels / 20.0), -1.0, 1.0)
    return (np.round(louder * 32767) / 32767).astype(np.float32)


def opening(generator: Generator, samples: np.ndarray) -> np.ndarray:
    """[T] at 25 Hz, face widths, of sound that is heard as it is."""
    return mouth_opening(np.concatenate([part.landmarks for part in generator.stream([samples])]))


def compared(made: np.ndarray, usual: np.ndarray) -> str:
    return f"{correlation(made, usual):.3f} | {made.std() / usual.std():.2f}"


def main(config: Levels) -> None:
    torch.set_num_threads(1)
    print(describe(), flush=True)
    generator = Generator.load(PRETRAINED_GENERATOR)
    sounds = [load_audio(path) for path in config.sounds]
    rows: list[tuple[str, list[tuple[float, np.ndarray, np.ndarray]]]] = []
    print("| sound | dB | speech level | as it is: corr. | amplitude | levelled: corr. | amplitude |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for path, sound in zip(config.sounds, sounds, strict=True):
        usual = opening(generator, sound)
        rows.append((path.name, []))
        for decibels in config.decibels:
            heard = recorded(sound, decibels)
            level = SpeechLevel()
            level.add(heard)
            found = level.decibels()
            plain, even = opening(generator, heard), opening(generator, levelled(heard))
            rows[-1][1].append((decibels, plain, even))
            said = "none" if found is None else f"{found:.0f}"
            print(
                f"| `{path.stem}` | {decibels:+g} | {said} | {compared(plain, usual)} | {compared(even, usual)} |",
                flush=True,
            )
    _without_speech(config, generator, sounds)
    _in_noise(config, generator, sounds)
    if config.picture:
        _draw(config.picture, rows)


def _without_speech(config: Levels, generator: Generator, sounds: Sequence[np.ndarray]) -> None:
    length = 20 * SAMPLE_RATE
    spoken = opening(generator, sounds[0])
    shut = opening(generator, np.zeros(length, np.float32)).mean()
    noise = 10.0 ** (config.noise / 20.0) * np.random.default_rng(0).standard_normal(length)
    print("| alone | heard | mean above shut | highest above shut |")
    print("| --- | --- | --- | --- |")
    for name, sound in (("silence", np.zeros(length)), (f"white noise at {config.noise:g} dB", noise)):
        kept = recorded(sound, 0.0)
        for heard, samples in (("as it is", kept), ("levelled", levelled(kept))):
            above = (opening(generator, samples) - shut) / spoken.std()
            mean, highest = (round(float(x), 2) + 0.0 for x in (above.mean(), above.max()))  # no -0.00
            print(f"| {name} | {heard} | {mean:.2f} | {highest:.2f} |", flush=True)


def _in_noise(config: Levels, generator: Generator, sounds: Sequence[np.ndarray]) -> None:
    print(f"| sound in noise, {config.ratio:g} dB | dB | as it is: corr. | amplitude | levelled: corr. | amplitude |")
    print("| --- | --- | --- | --- | --- | --- |")
    for path, sound in zip(config.sounds, sounds, strict=True):
        level = SpeechLevel()
        level.add(sound)
        loud = level.decibels()
        assert loud is not None, f"{path}: no speech is heard in it"
        noise = 10.0 ** ((loud - config.ratio) / 20.0) * np.random.default_rng(0).standard_normal(len(sound))
        usual = opening(generator, sound)
        for decibels in (0.0, -30.0):
            heard = recorded(sound + noise, decibels)
            plain, even = opening(generator, heard), opening(generator, levelled(heard))
            print(f"| `{path.stem}` | {decibels:+g} | {compared(plain, usual)} | {compared(even, usual)} |", flush=True)


def _draw(path: Path, rows: Sequence[tuple[str, list[tuple[float, np.ndarray, np.ndarray]]]]) -> None:
    """Openings over the first ten seconds, a row a sound, as it is on the left and levelled on the right."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(rows), 2, figsize=(20, 3.5 * len(rows)), squeeze=False, sharey="row")
    for (name, lines), pair in zip(rows, axes, strict=True):
        for column, (axis, title) in enumerate(zip(pair, ("as it is", "levelled"), strict=True)):
            for decibels, *both in lines:
                shown = both[column][:250]
                axis.plot(np.arange(len(shown)) / 25, shown, label=f"{decibels:+g} dB", lw=2 if decibels == 0 else 1)
            axis.set_title(f"{name}: opening (face widths), {title}")
            axis.set_xlabel("s")
    axes[0, 0].legend(loc="upper right")
    figure.tight_layout()
    with written_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=70)
    pyplot.close(figure)


if __name__ == "__main__":
    main(tyro.cli(Levels))
