"""A trained head on the test split of its capture, in three modes, against the real frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np

from audio_motion.progress import shown
from audio_motion.topology import face_width
from geneface_ns.capture_format.capture import Capture
from geneface_ns.evaluation import metrics
from geneface_ns.evaluation.mouth import MouthTracker
from geneface_ns.evaluation.panels import side_by_side
from geneface_ns.evaluation.perceptual import Perceptual
from geneface_ns.evaluation.steadiness import Steadiness, regions_of
from geneface_ns.motion.sequence import MotionFrame, held
from geneface_ns.output.drive import render_one
from geneface_ns.output.video import VideoWriter
from geneface_ns.renderers.contract import Renderer
from geneface_ns.scene.frames import FrameStore


class Mode(NamedTuple):
    """One way to render the test frames. Poses and body motion are the tracked ones in all of them."""

    name: str
    what: str
    """Which pixels are real and where the face's motion comes from."""
    from_speech: bool
    real_torso: bool


MODES = (
    Mode("head over the real torso", "tracked face; all pixels outside the head are real", False, True),
    Mode("all rendered", "tracked face; no pixel is real", False, False),
    Mode("audio-driven", "face from the sound alone; no pixel is real", True, False),
)
DRIVEN = MODES[2].name
CEILING = "real frames"
CEILING_IS = "measured alike: what a perfect picture has"


@dataclass
class Tally:
    """What is gathered of one mode, frame by frame."""

    steadiness: Steadiness = field(default_factory=Steadiness)
    psnr: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    mouth_psnr: list[float] = field(default_factory=list)
    lpips: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """Spent rendering each frame, those included that are not measured."""

    def add(self, rendered: np.ndarray, real: np.ndarray, lips_box: np.ndarray, lpips: Perceptual | None) -> None:
        """Measure one frame, uint8 [H, W, 3], against the real one; `lips_box` in its pixels."""
        self.psnr.append(metrics.psnr(rendered, real))
        self.ssim.append(metrics.ssim(rendered, real))
        self.mouth_psnr.append(metrics.psnr(metrics.crop(rendered, lips_box), metrics.crop(real, lips_box)))
        if lpips is not None:
            self.lpips.append(lpips(rendered, real))

    def summary(self, real_mouth: MouthTracker) -> dict[str, float | int | None]:
        """All figures of this mode; None where a figure could not be had."""
        rendered, real = np.stack(self.steadiness.mouth.landmarks), np.stack(real_mouth.landmarks)
        seen = np.isfinite(rendered).all(axis=(1, 2)) & np.isfinite(real).all(axis=(1, 2))
        figures = {
            "psnr_db": float(np.mean(self.psnr)),
            "ssim": float(np.mean(self.ssim)),
            "mouth_psnr_db": float(np.mean(self.mouth_psnr)),
            "lpips": float(np.mean(self.lpips)) if self.lpips else float("nan"),
            "lmd_px": float("nan"),
            "lmd_of_face_width": float("nan"),
            "opening_correlation": float("nan"),
            "opening_amplitude": float("nan"),
            "fps": float(1 / np.mean(self.seconds)),
        }
        if seen.any():
            figures["lmd_px"] = metrics.landmark_distance(rendered[seen], real[seen])
            figures["lmd_of_face_width"] = figures["lmd_px"] / float(face_width(real[seen]).mean())
            figures["opening_correlation"], figures["opening_amplitude"] = metrics.opening_agreement(
                rendered[seen], real[seen]
            )
        figures |= self.steadiness.summary()
        return {**known(figures), "frames": len(self.psnr), "frames_with_face": int(seen.sum())}


def known(figures: Mapping[str, float]) -> dict[str, float | int | None]:
    """Figures with None for those that could not be had, as JSON takes them."""
    return {name: value if np.isfinite(value) else None for name, value in figures.items()}


def evaluate(
    renderer: Renderer,
    capture: Capture,
    test: np.ndarray,
    speech: Iterator[MotionFrame],
    size: tuple[int, int],
    lpips: Perceptual | str,
    video: Path,
) -> dict[str, dict[str, float | int | None]]:
    """Render the test frames in every mode, measure them and write them beside the real ones.

    Args:
        test: consecutive frame numbers.
        speech: what the generator makes of the sound, from the first test frame on.
        size: width and height to render at: the capture's over a whole factor.
        video: where the side-by-side goes.

    Returns:
        For each mode's name its figures (`Tally.summary`), and under `CEILING` those that real frames have too.
    """
    store = FrameStore(capture, round(capture.width / size[0]))
    tallies, real = {mode.name: Tally() for mode in MODES}, Steadiness()
    sound = capture.folder / "audio.wav"
    with ExitStack() as stack:
        writer: VideoWriter | None = None
        for frame, heard in shown(zip(test, held(speech), strict=False), len(test), "evaluate"):
            stored = store.frame(int(frame))
            tracked = MotionFrame(capture.landmarks.landmarks[frame], capture.landmarks.eye_openness[frame])
            pictures = {"real": stored.image}
            for mode in MODES:
                begin = perf_counter()
                pictures[mode.name] = render_one(
                    renderer,
                    capture.c2w[frame],
                    capture.body[frame],
                    heard if mode.from_speech else tracked,
                    size,
                    stored.underlay if mode.real_torso else None,
                )
                tallies[mode.name].seconds.append(perf_counter() - begin)
            panel = side_by_side(pictures)
            if writer is None:
                height, width = panel.shape[:2]
                writer = stack.enter_context(
                    VideoWriter(video, (width, height), capture.fps, sound, sound_start=float(test[0] / capture.fps))
                )
            writer.write(panel)
            steadiness = {mode.name: tallies[mode.name].steadiness for mode in MODES} | {"real": real}
            if not capture.valid[frame]:
                for video_of in steadiness.values():
                    video_of.gap()
                continue  # its pose and face are guesses
            scale = size[0] / capture.width
            seen, said = (
                capture.project(face, capture.c2w[frame]) * scale for face in (tracked.landmarks, heard.landmarks)
            )
            regions = regions_of(stored.head, stored.underlay[..., 3], seen)
            for name, video_of in steadiness.items():
                video_of.add(pictures[name], regions, said if name == DRIVEN else seen)
            box = capture.lips_box[frame] * scale
            for mode in MODES:
                tallies[mode.name].add(
                    pictures[mode.name], stored.image, box, None if isinstance(lpips, str) else lpips
                )
    summaries = {name: tally.summary(real.mouth) for name, tally in tallies.items()}
    return {**summaries, CEILING: known(real.summary())}
