"""`report.png`: what a corpus holds, where a person would rather look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audio_motion.corpus.report import figure, length_in_words
from audio_motion.data.corpus import Clip
from audio_motion.files import written_whole
from audio_motion.topology import OUTLINES, mouth_opening

FACES = 8
"""Example faces drawn."""
HISTOGRAMS = (
    ("face_width", "face width, px"),
    ("yaw", "yaw, degrees (median of the clip)"),
    ("seconds", "length, s"),
    ("speech", "share of time with speech"),
)
"""Figures of a clip that are drawn, and their titles."""


def draw(path: Path, contents: dict, listing: dict, clips: Sequence[Clip]) -> None:
    """Write the picture.

    Args:
        contents: of report.json.
        listing: of corpus.json.
        clips: of the corpus; a few of them are read.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = Figure(figsize=(16, 10), layout="constrained")
    canvas = FigureCanvasAgg(picture)
    rows: Any = picture.subfigures(3, 1, height_ratios=[1, 1, 0.9])
    figures, delays, faces = rows
    known = listing["clips"]
    for axis, (name, title) in zip(figures.subplots(1, len(HISTOGRAMS)), HISTOGRAMS, strict=True):
        _histogram(axis, title, [[figure(clip, name) for clip in known]], [""])
    threshold = listing["options"]["lag_confidence"]
    believed = [clip["lag"] for clip in known if clip["lag_confidence"] >= threshold]
    doubtful = [clip["lag"] for clip in known if clip["lag_confidence"] < threshold]
    left, right = delays.subplots(1, 2)
    _histogram(left, "sound comes late by, s", [believed, doubtful], ["corrected", "uncertain: left where it was"])
    _refused(right, contents)
    places = faces.subplots(1, FACES)
    for axis in places:
        axis.set_axis_off()
    for axis, index in zip(places, _evenly(len(clips), FACES), strict=False):
        _face(axis, clips[int(index)])
    faces.suptitle("landmarks from the front: mouth shut (blue), and opened widest (red)", fontsize=10)
    held = contents["splits"]["held-out"]
    picture.suptitle(
        f"{contents['clips']} clips of {contents['speakers']} speakers, {length_in_words(contents['hours'])} "
        f"({held['speakers']} speakers, {length_in_words(held['hours'])} held out)"
    )
    with written_whole(path) as temporary:
        canvas.print_png(str(temporary))


def _histogram(axis: Any, title: str, groups: list[list[float]], names: list[str]) -> None:
    axis.set(xlabel=title, ylabel="clips")
    axis.yaxis.get_major_locator().set_params(integer=True)
    if any(groups):
        bins = int(np.clip(sum(map(len, groups)) ** 0.5 * 2, 5, 40))
        axis.hist(groups, bins=bins, stacked=True, label=names)
        if any(names):
            axis.legend()


def _refused(axis: Any, contents: dict) -> None:
    kinds = list(contents["refused"].items())[::-1]
    axis.set(xlabel="clips refused")
    axis.xaxis.get_major_locator().set_params(integer=True)
    if kinds:
        bars = axis.barh([kind for kind, _ in kinds], [count for _, count in kinds], color="tab:red")
        axis.bar_label(bars)
    else:
        axis.set_yticks([])


def _face(axis: Any, clip: Clip) -> None:
    """The landmarks from the front: a frame with the mouth shut, and the one where it is opened widest."""
    opening = np.where(clip.sequence.valid, mouth_opening(clip.sequence.landmarks), np.nan)
    for index, colour in ((np.nanargmin(opening), "tab:blue"), (np.nanargmax(opening), "tab:red")):
        points = clip.sequence.landmarks[int(index)]
        for line in OUTLINES:
            axis.plot(points[list(line), 0], points[list(line), 1], color=colour, linewidth=1)
    axis.set(xlim=(-0.6, 0.6), ylim=(-0.75, 0.5), aspect="equal")
    axis.set_title(clip.name if len(clip.name) < 20 else "…" + clip.name[-18:], fontsize=8, parse_math=False)


def _evenly(count: int, most: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int)) if count else np.zeros(0, int)
