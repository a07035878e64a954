"""`report.png`: the report where a person would rather look."""

from __future__ import annotations

import textwrap
from typing import Any

import cv2
import numpy as np

from audio_motion.files import written_whole
from audio_motion.topology import mouth_opening
from audio_motion.tracking import Track
from audio_motion.tracking.head_motion import angles
from geneface_ns.capture import masks
from geneface_ns.capture.sound import LOUDNESS_RATE, loudness
from geneface_ns.capture.sync import CONFIDENT
from geneface_ns.capture_format.layout import Layout
from geneface_ns.capture_format.pictures import read_png

SHOWN = 4
"""Frames drawn."""
CLOSE_UP = 8.0
"""Seconds of mouth and loudness drawn."""


def draw(layout: Layout, contents: dict, track: Track, body: np.ndarray) -> None:
    """Write `report.png`.

    Args:
        contents: of report.json.
        body: [T, 2, 3].
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fps = track.fps
    figure = Figure(figsize=(16, 13), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    grid = figure.add_gridspec(5, SHOWN, height_ratios=[3, 3, 1.2, 1.2, 1.5])
    chosen = np.linspace(0, len(track.valid) - 1, SHOWN + 2).round().astype(int)[1:-1]
    for column, frame in enumerate(chosen):
        _picture(figure.add_subplot(grid[0, column]), outlined(layout, track, int(frame)), f"{frame / fps:.1f} s")
    middle = int(chosen[1])
    scene = read_png(layout.background)
    layer = read_png(layout.torso(middle))
    share = layer[..., 3:].astype(np.float32) / 255
    behind = (layer[..., :3] * share + scene * (1 - share)).astype(np.uint8)
    never = f"background ({contents['background_never_seen']:.0%} never seen)"
    panels = (scene, never), (_on_checks(layer), "torso layer"), (behind, "torso over background")
    for column, (picture, title) in enumerate(panels):
        _picture(figure.add_subplot(grid[1, column]), picture, title)
    _text(figure.add_subplot(grid[1, 3]), contents)

    times = np.arange(len(track.valid)) / fps
    axis = figure.add_subplot(grid[2, :])
    for values, name in zip(angles(track.c2w).T, ("yaw", "pitch", "roll"), strict=True):
        axis.plot(times, values, label=name, linewidth=0.9)
    axis.set(ylabel="head, degrees", xlim=(0, times[-1]))
    _gaps(axis, track, times)
    axis.legend(loc="upper right", ncols=3)
    axis = figure.add_subplot(grid[3, :])
    centre = np.array([*track.points2d[:, 8].mean(axis=0), 1.0])
    moved = body @ centre - centre[:2]
    axis.plot(times, moved[:, 0], label="body across", linewidth=0.9)
    axis.plot(times, moved[:, 1], label="body down", linewidth=0.9)
    axis.set(ylabel="body, px", xlim=(0, times[-1]))
    axis.legend(loc="upper right", ncols=2)

    axis = figure.add_subplot(grid[4, :])
    opening = mouth_opening(track.landmarks)
    loud = loudness(layout.audio)
    loud_times = np.arange(len(loud)) / LOUDNESS_RATE
    begin = _liveliest(opening, fps)
    axis.plot(times, opening, label="mouth opening", color="tab:red")
    twin = axis.twinx()
    twin.plot(loud_times, loud, label="loudness, dB", color="tab:blue", linewidth=0.8)
    axis.set(ylabel="mouth opening", xlabel="seconds", xlim=(begin, min(begin + CLOSE_UP, times[-1])))
    handles = axis.get_legend_handles_labels(), twin.get_legend_handles_labels()
    axis.legend(handles[0][0] + handles[1][0], handles[0][1] + handles[1][1], loc="upper right", ncols=2)
    with written_whole(layout.report_picture) as temporary:
        canvas.print_png(str(temporary))


def outlined(layout: Layout, track: Track, frame: int) -> np.ndarray:
    """A frame with its landmarks and the outlines of head and torso drawn in: uint8 [H, W, 3]."""
    picture, labels = read_png(layout.image(frame)), read_png(layout.mask(frame))
    for value, colour in ((masks.HEAD, (60, 255, 60)), (masks.TORSO, (255, 170, 0))):
        region = (labels == value).astype(np.uint8)
        outlines, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, colour, 1)
    colour = (255, 255, 0) if track.valid[frame] else (255, 0, 0)
    for x, y in track.points2d[frame]:
        cv2.circle(picture, (round(float(x) - 0.5), round(float(y) - 0.5)), 1, colour, -1)
    return picture


def _picture(axis: Any, picture: np.ndarray, title: str) -> None:
    axis.imshow(picture)
    axis.set_title(title)
    axis.set_axis_off()


def _text(axis: Any, contents: dict) -> None:
    axis.set_axis_off()
    lines = [
        f"{contents['person']}: {contents['seconds']:.1f} s, {contents['fps']:g} fps, {contents['size'][0]} px",
        f"face {contents['face_width_px']:.0f} px wide, seen in {contents['valid_fraction']:.1%}",
        f"landmarks fit by {contents['reprojection_error_px']:.2f} px",
        f"mouth opens {contents['mouth_opening'][0]:.3f} to {contents['mouth_opening'][2]:.3f} face widths",
        _sound(contents),
        "",
        *(part for line in contents["advice"] for part in textwrap.wrap("- " + line, 48)),
    ]
    if not contents["advice"]:
        lines.append("nothing to fix")
    axis.text(0, 1, "\n".join(lines), va="top", fontsize=11, parse_math=False)


def _sound(contents: dict) -> str:
    confidence = contents["sound_delay_confidence"]
    if confidence < CONFIDENT:
        return f"sound: delay not sure (confidence {confidence:.2f})"
    return f"sound {contents['sound_delay_s']:+.2f} s late (confidence {confidence:.2f})"


def _gaps(axis: Any, track: Track, times: np.ndarray) -> None:
    low, high = axis.get_ylim()
    axis.fill_between(times, low, high, where=~track.valid, color="tab:red", alpha=0.2, linewidth=0)
    axis.set_ylim(low, high)


def _on_checks(layer: np.ndarray) -> np.ndarray:
    rows, columns = np.indices(layer.shape[:2]) // 16
    checks = np.where((rows + columns) % 2, 200, 240)[..., None]
    share = layer[..., 3:].astype(np.float32) / 255
    return (layer[..., :3] * share + checks * (1 - share)).astype(np.uint8)


def _liveliest(opening: np.ndarray, fps: float) -> float:
    """Where the most is said: the beginning of the CLOSE_UP seconds in which the mouth changes most."""
    window = max(1, round(CLOSE_UP * fps))
    change = np.abs(np.diff(opening, prepend=opening[0]))
    if len(change) <= window:
        return 0.0
    total = np.cumsum(np.concatenate([[0], change]))
    return float((total[window:] - total[:-window]).argmax() / fps)
