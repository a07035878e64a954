"""What all browsers of one viewer share: who is shown, what renders, and whose turn it is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from geneface_ns.capture_format.person import Person
from geneface_ns.motion.prosody import own_prosody
from geneface_ns.motion.voice import Voice
from geneface_ns.renderers.contract import Renderer


@dataclass(frozen=True)
class Stage:
    """One person, one renderer, any number of browsers."""

    person: Person
    renderer: Renderer
    turn: AbstractContextManager[object]
    """Held while one picture is rendered, and not longer."""
    voice: Callable[[], Voice]
    """What speech moves the face with; fitted on first use, which may take a while."""
    folder: Path
    """Where files of browsers live while they are connected."""
    run: Path
    """The run's folder, or the person file: what command lines are told."""
    version: Callable[[], int] = lambda: 0
    """Another number whenever the portrait has changed: pictures made before are made again."""
    scale: float = 1.0
    """Units of viser's scene in a unit of the head frame."""
    sounds: dict[str, Path] = field(default_factory=dict)
    """Files to choose from, by name: sounds and landmark sequences."""
    most_bytes: int = 100_000_000
    """Of an upload."""
    most_seconds: float = 600.0
    """Of anything that is performed."""

    @cached_property
    def own_prosody(self) -> np.ndarray:
        """float32 [F, 3], see `motion.prosody.own_prosody`; it may raise InputError."""
        return own_prosody(self.person)


def once(make: Callable[[], Voice]) -> Callable[[], Voice]:
    """The same voice for all: made by the first who asks, while the others wait. A failure is tried again."""
    lock = threading.Lock()
    made: list[Voice] = []

    def voice() -> Voice:
        with lock:
            if not made:
                made.append(make())
            return made[0]

    return voice
