"""The pass over the video, in chunks of two frames: its detector forgets at each, and what it cannot do is told."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from audio_motion.media.lazy_frame import Converter, LazyFrame, Orientation
from geneface_ns.capture import extract as module
from geneface_ns.capture.crop import Crop
from geneface_ns.capture.extract import extract, found
from geneface_ns.capture.options import CaptureOptions
from geneface_ns.capture.source import Source
from geneface_ns.capture_format.layout import Layout

SIZE = 64


class Grey(Source):
    """Seven frames without anybody."""

    def frames(self):  # type: ignore[no-untyped-def]
        grey = av.VideoFrame.from_ndarray(np.full((SIZE, SIZE, 3), 100, np.uint8))
        return iter([LazyFrame(grey, Converter(self.path), (SIZE, SIZE), Orientation())] * 7)


class Detector:
    name = "mediapipe"

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken
        self.forgotten: list[int] = []
        self.seen = 0

    def __call__(self, rgb: np.ndarray) -> list:
        self.seen += 1
        return []

    def forget(self) -> None:
        if self.broken:
            raise RuntimeError("its graph has ended")
        self.forgotten.append(self.seen)


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setattr(module, "CHUNK", 2)
    return Layout(tmp_path / "capture")


def run(layout: Layout, detector: Detector) -> int:
    source = Grey(CaptureOptions(Path("a.mp4"), layout.root), 25.0, 0.0, 1.0, None)  # type: ignore[arg-type]
    crop = Crop(0, 0, SIZE, SIZE, SIZE, SIZE)
    return extract(source, crop, layout, lambda: detector, lambda: None)  # type: ignore[arg-type, return-value]


def test_the_detector_forgets_at_each_chunk(layout: Layout) -> None:
    detector = Detector()
    assert run(layout, detector) == 7
    assert detector.forgotten == [2, 4, 6]
    assert [len(part.grey) for part in found(layout)] == [2, 2, 2, 1]
    for first in (4, 6):
        layout.chunk(first).unlink()
    detector = Detector()
    assert run(layout, detector) == 7  # only what is missing is looked at, by a detector that knows nothing at first
    assert (detector.seen, detector.forgotten) == (3, [2])


def test_a_detector_that_cannot_forget_ends_the_pass(layout: Layout) -> None:
    with pytest.raises(RuntimeError, match="its graph has ended"):
        run(layout, Detector(broken=True))
    assert layout.chunk(0).is_file()
    assert not layout.chunk(2).exists()
