"""Pieces put together: every frame once, at its time, with a sound that is as long."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from geneface_ns.output.join import join
from geneface_ns.output.video import CONTAINERS, VideoWriter, frame_rate
from tests.geneface_ns.output.test_video import audio_rate, count, write_wav

LENGTHS = (40, 40, 1, 17)


def pictures(length: int, first: int) -> np.ndarray:
    """Bars that wander, uint8 [length, 48, 64, 3]: enough for an encoder to want frames out of order."""
    columns = np.arange(64)[None, :] + 3 * (first + np.arange(length))[:, None]
    bars = (columns % 32 * 8).astype(np.uint8)
    return np.broadcast_to(bars[:, None, :, None], (length, 48, 64, 3)).copy()


def decoded(path: Path) -> tuple[np.ndarray, list[Fraction]]:
    """Frames [T, H, W, 3] and their seconds."""
    with av.open(str(path)) as container:
        frames = [
            (frame.to_ndarray(format="rgb24"), frame.pts * frame.time_base) for frame in container.decode(video=0)
        ]
    return np.stack([picture for picture, _ in frames]), [time for _, time in frames]


@pytest.mark.parametrize("fps", [25.0, 30000 / 1001])
@pytest.mark.parametrize("suffix", CONTAINERS)
def test_every_frame_once_and_as_much_sound(tmp_path: Path, suffix: str, fps: float) -> None:
    pieces, first = [], 0
    for length in LENGTHS:
        pieces.append(tmp_path / f"{first}{suffix}")
        with VideoWriter(pieces[-1], (64, 48), fps) as writer:
            for picture in pictures(length, first):
                writer.write(picture)
        first += length
    whole = tmp_path / f"whole{suffix}"
    assert join(whole, pieces, frame_rate(fps), write_wav(tmp_path / "in.wav", 3.0, 44100)) == sum(LENGTHS)
    found, times = decoded(whole)
    np.testing.assert_array_equal(found, np.concatenate([decoded(piece)[0] for piece in pieces]))
    assert np.abs(found.astype(int) - pictures(len(found), 0)).mean() < 6
    np.testing.assert_allclose([float(time) for time in times], np.arange(len(found)) / fps, atol=1e-3)
    frames, sound = count(whole)
    assert sound.shape[1] / audio_rate(whole) == pytest.approx(frames / fps, abs=1 / fps)
    with av.open(str(whole)) as container:
        assert float(container.streams.video[0].average_rate) == pytest.approx(fps, rel=1e-3)
        assert container.duration / 1e6 == pytest.approx(frames / fps, abs=0.03)


def test_without_a_sound(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", (64, 48), 25.0) as writer:
        writer.write(pictures(1, 0)[0])
    assert join(tmp_path / "whole.mp4", [tmp_path / "a.mp4"], Fraction(25)) == 1
    with av.open(str(tmp_path / "whole.mp4")) as container:
        assert not container.streams.audio
