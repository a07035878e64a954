"""Speech whose phonemes are known to the millisecond: flite's and espeak-ng's (Debian packages of those names)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from geneface_ns.synthetic import make_speech

BILABIALS = ("p", "b", "m")
"""As both programs name them."""
FLITE = ("slt", "rms", "kal16", "awb")
"""flite's voices; any other name is one of espeak-ng's languages."""
SENTENCES = tuple(text for _, text in make_speech.FLITE.values())
FOREIGN = {
    "de": (
        make_speech.GERMAN,
        "Peter und Maria bauen im Mai ein paar blaue Boote, aber Papa braucht noch Bretter.",
    ),
    "fr": (
        "Mon papa boit un bon bol de lait, puis ma mère part pour la plage.",
        "Le matin, les bateaux passent sous le pont, et personne ne bouge.",
    ),
    "es": (
        "Mi amiga compra pan para mi abuelo, pero el hombre no puede comer.",
        "El barco blanco pasa por el puerto y la gente baila un poco más.",
    ),
    "it": (
        "Mia mamma prepara la pasta, e mio papà beve un bicchiere di buon vino.",
        "Il bambino piccolo mangia un pomodoro e poi va a dormire con il suo cane.",
    ),
}


@dataclass(frozen=True)
class Spoken:
    """What a voice has said."""

    voice: str
    sound: np.ndarray
    """float32 [S], 16 kHz."""
    bilabials: tuple[tuple[float, float], ...]
    """(start, end) of each /p b m/, seconds."""


def speak(jobs: Iterable[tuple[str, str]]) -> Iterator[Spoken]:
    """What each (voice, text) sounds like. In a process apart: espeak-ng keeps a state."""
    with get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        yield from pool.imap(_said, jobs)


def _said(job: tuple[str, str]) -> Spoken:
    voice, text = job
    samples, phones = (make_speech.flite if voice in FLITE else make_speech.espeak)(voice, text)
    starts = [0.0, *[end for _, end in phones[:-1]]]
    found = [(start, end) for start, (phone, end) in zip(starts, phones, strict=True) if phone in BILABIALS]
    return Spoken(voice, samples.astype(np.float32) / 2**15, tuple(found))
