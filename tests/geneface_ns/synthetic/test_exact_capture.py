"""The capture that is written from the truth."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audio_motion.errors import InputError
from audio_motion.media import load_audio
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.capture_format.labels import HEAD
from geneface_ns.capture_format.pictures import read_png
from geneface_ns.synthetic.exact_capture import write_exact_capture


def test_it_is_a_whole_capture(tmp_path: Path) -> None:
    truth = write_exact_capture(tmp_path, size=48, frames=12, fps=10.0)
    capture = load_capture(tmp_path)
    assert (len(capture), capture.width, capture.fps) == (12, 48, 10.0)
    np.testing.assert_allclose(capture.c2w, truth.c2w, atol=1e-6)
    np.testing.assert_allclose(capture.landmarks.landmarks, truth.landmarks)
    assert len(load_audio(tmp_path / "audio.wav", 16000)) == 12 * 1600  # as long as the picture
    drawn = truth.frame(7)
    np.testing.assert_array_equal(read_png(capture.layout.image(7)), drawn.rgb)
    np.testing.assert_array_equal(read_png(capture.layout.mask(7)), drawn.labels)
    # What other nerfstudio methods split by.
    contents = json.loads(capture.layout.transforms.read_text())
    assert len(contents["train_filenames"]) == capture.is_train.sum() == 11
    # The box holds the head: a ray through each of its pixels passes the box.
    rows, columns = np.nonzero(drawn.labels == HEAD)
    local = np.stack([columns + 0.5 - truth.cx, truth.cy - rows - 0.5, np.full(len(rows), -truth.fl)], axis=1)
    directions, origin = local @ truth.c2w[7, :3, :3].T, truth.c2w[7, :3, 3]
    walls = (capture.head_box[:, None] - origin) / directions
    assert (walls.min(axis=0).max(axis=1) < walls.max(axis=0).min(axis=1)).all()


def test_what_it_refuses(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="not empty"):
        write_exact_capture(tmp_path)
    with pytest.raises(InputError, match="at least 2"):
        write_exact_capture(tmp_path / "capture", frames=1)
    assert not (tmp_path / "capture").exists()


def test_its_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "geneface_ns.synthetic.exact_capture", tmp_path / "a", "--size", "32"]
    done = subprocess.run([*command, "--frames", "2"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2 frames of 32x32" in done.stdout
    assert len(load_capture(tmp_path / "a")) == 2
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 2
    assert again.stderr.startswith("error: ")
