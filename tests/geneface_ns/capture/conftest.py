"""One short clip of the procedural person, processed once for all tests of the capture."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from audio_motion.media import read_frames
from geneface_ns.capture import process as process_module
from geneface_ns.capture import stages
from geneface_ns.capture.options import CaptureOptions
from geneface_ns.capture.process import process
from geneface_ns.capture_format.layout import Layout
from geneface_ns.synthetic import Truth, speech_names, write_clip

SIZE = 192
FPS = 20.0


@dataclass(frozen=True)
class Clip:
    """The avatar's clip: its file, frames and truth."""

    path: Path
    frames: np.ndarray
    """uint8 [T, H, W, 3] as decoded."""
    truth: Truth


@dataclass(frozen=True)
class Capture:
    """A finished capture, and what was seen on the way to it."""

    layout: Layout
    truth: Truth
    config: CaptureOptions
    interrupted: list[str]
    """Stages in which a run was stopped."""
    half_captures: list[str]
    """Of those, the ones after which a transforms.json lay there."""
    calls: dict[str, int]
    """How often each stage was begun."""


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    # A space and letters beyond ASCII: every test of this clip is a test of such paths.
    path = tmp_path_factory.mktemp("video") / "ein Gespräch.mp4"
    truth = write_clip(path, seed=1, speech=speech_names("train")[:1], size=SIZE, fps=FPS, seconds=3.0)
    return Clip(path, np.stack([rgb for _, rgb in read_frames(path)]), truth)


class _Stopped(BaseException):
    """As a kill would be: nothing may catch it."""


@pytest.fixture(scope="session")
def capture(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Capture:
    """Processed with a stop in the middle of every stage."""
    config = CaptureOptions(clip.path, tmp_path_factory.mktemp("captures") / "Anna Müller", person="Anna")
    layout = Layout(config.output)
    console = Console(file=io.StringIO())
    calls: dict[str, int] = {}
    interrupted, half = [], []
    places = {
        "write_wav": process_module,
        "extract": process_module,
        "fit_track_of": stages,
        "track_body": stages,
        "collar_curve": stages,
        "_align": process_module,
        "clean_background": stages,
        "torso_layers": stages,
        "sound_lag": process_module,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, module in places.items():
            original = getattr(module, name)

            def counted(*args: object, name: str = name, original=original, **kwargs: object) -> object:
                calls[name] = calls.get(name, 0) + 1
                result = original(*args, **kwargs) if calls[name] > 1 or name == "torso_layers" else None
                if calls[name] == 1:
                    raise _Stopped
                return result

            patch.setattr(module, name, counted)
        for name in places:
            with pytest.raises(_Stopped):
                process(config, console)
            interrupted.append(name)
            if layout.transforms.exists():
                half.append(name)
        process(config, console)
    return Capture(layout, clip.truth, config, interrupted, half, calls)
