"""Where everything lies in a capture directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Paths of one capture directory (docs/conventions.md); `work` holds what only processing needs."""

    root: Path

    @property
    def transforms(self) -> Path:
        """Written last: a directory without it is not a capture."""
        return self.root / "transforms.json"

    @property
    def landmarks(self) -> Path:
        return self.root / "landmarks.npz"

    @property
    def audio(self) -> Path:
        return self.root / "audio.wav"

    @property
    def background(self) -> Path:
        return self.root / "background.png"

    @property
    def report(self) -> Path:
        return self.root / "report.json"

    @property
    def report_picture(self) -> Path:
        return self.root / "report.png"

    @property
    def work(self) -> Path:
        return self.root / ".process"

    @property
    def prepared(self) -> Path:
        """What trainings have made of the pictures to draw from; made again where it is missing."""
        return self.root / ".frames"

    @property
    def state(self) -> Path:
        return self.work / "state.json"

    @property
    def pending(self) -> Path:
        """transforms.json until everything else is done."""
        return self.work / "transforms.json"

    @property
    def owned(self) -> tuple[Path, ...]:
        """Everything that processing writes, and what was made of it."""
        folders = tuple(self.root / name for name in ("images", "masks", "torso"))
        files = (self.landmarks, self.audio, self.background, self.report, self.report_picture)
        return (self.transforms, *files, *folders, self.work, self.prepared)

    def image(self, frame: int) -> Path:
        return self.root / "images" / f"{frame:05d}.png"

    def mask(self, frame: int) -> Path:
        return self.root / "masks" / f"{frame:05d}.png"

    def torso(self, frame: int) -> Path:
        return self.root / "torso" / f"{frame:05d}.png"

    def matte(self, frame: int) -> Path:
        """uint8 person matte of a frame, kept while processing."""
        return self.work / "matte" / f"{frame:05d}.png"

    def chunk(self, first: int) -> Path:
        """What was found in the frames from `first` on (geneface_ns.capture.extract)."""
        return self.work / "found" / f"{first:06d}.npz"
