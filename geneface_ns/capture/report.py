"""`report.json`: what was found, and what to do about it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from audio_motion.corpus.config import Gate
from audio_motion.files import written_whole
from audio_motion.lag import Lag
from audio_motion.topology import face_width, mouth_opening
from audio_motion.tracking import Track, gaps
from audio_motion.tracking.head_motion import angles
from geneface_ns.capture.defects import COPIES
from geneface_ns.capture.source import Source
from geneface_ns.capture.spans import long_enough, options, second, shots
from geneface_ns.capture.sync import CONFIDENT, LONG_ENOUGH, UNRELATED

SCHEMA_VERSION = 2
OFF = 0.08
"""Seconds of delay from which it is worth correcting."""
SMALL_FACE = Gate.min_face_width
"""Pixels; the reason is told there."""
USUAL_RATES = (5, 6, 7.5, 8, 10, 12, 12.5, 15, 20, 24, 25, 30, 48, 50, 60)
"""Frames per second."""
PROPOSED = 3
"""Shots of a cut video that are proposed at most."""


def build(
    person: str,
    source: Source,
    size: tuple[int, int],
    crop: dict[str, int],
    source_size: list[int],
    track: Track,
    noticed: dict,
    correlation: np.ndarray,
    never_seen: float,
    lag: Lag,
    delay: float,
    seconds: dict[str, float],
) -> dict:
    """The report's contents; see docs/capture.md for what each number means.

    Args:
        noticed: of `summary`, and `combed`, the first frame with combs or None.
        correlation: [T] of the body's motion.
        never_seen: part of the background.
        lag: of the sound, as it lies in the capture.
        delay: by which it was moved to lie there.
        seconds: that each stage took.
    """
    turn, fps, count = angles(track.c2w), track.fps, len(track.valid)
    opening = mouth_opening(track.landmarks)[track.valid]
    spread = np.percentile(turn, [2, 98], axis=0)
    unseen = np.zeros(count, bool)
    for first, stop in noticed["unseen"]:
        unseen[first:stop] = True
    numbers = {
        "frames": count,
        "seconds": count / fps,
        "fps": fps,
        "size": list(size),
        "crop": crop,
        "source_size": source_size,
        "face_width_px": float(np.median(face_width(track.points2d))),
        "valid_fraction": float(track.valid.mean()),
        "unseen_fraction": float(unseen.mean()),
        "gaps": [[round(a, 2), round(b, 2)] for a, b in gaps(~unseen, fps)],
        "reprojection_error_px": float(track.error),
        "yaw_degrees": [round(float(v), 2) for v in spread[:, 0]],
        "pitch_degrees": [round(float(v), 2) for v in spread[:, 1]],
        "roll_degrees": [round(float(v), 2) for v in spread[:, 2]],
        "mouth_opening": [round(float(v), 4) for v in np.percentile(opening, [5, 50, 95])],
        "background_never_seen": never_seen,
        "body_lost_fraction": float(np.isnan(correlation[track.valid]).mean()),
        "body_correlation": float(np.nanmedian(correlation)) if np.isfinite(correlation).any() else 0.0,
        "sound_delay_s": round(lag.seconds, 3),
        "sound_delay_confidence": round(lag.confidence, 3),
        "sound_delay_corrected_s": delay,
        "left_out_s": {
            name: [[round(a / fps, 3), round(b / fps, 3)] for a, b in noticed[name]]
            for name in ("faded", "held", "jumped")
        },
        "real_fps": noticed["real_fps"],
        "stage_seconds": seconds,
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "person": person,
        "video": source.path.name,
        **numbers,
        "advice": [*picture_advice(source, noticed, count), *advice(numbers), *source.info.notes],
    }


def picture_advice(source: Source, noticed: dict, count: int) -> list[str]:
    """A line for everything about the picture that has a place in the video, with the options that leave it out."""
    lines = []
    if noticed["combed"] is not None:
        lines.append(
            f"combs of interlacing, first at {second(source, noticed['combed']):.2f} s, will be learnt: process again "
            "with --deinterlace"
        )
    if noticed["jumped"]:
        at = second(source, noticed["jumped"][0][0])
        pieces = shots([first for first, _ in noticed["jumped"]], count)
        longest_first = sorted(pieces, key=lambda run: run[0] - run[1])[:PROPOSED]
        ways = [options(source, shot, count) for shot in sorted(longest_first) if long_enough(source, shot)]
        keep = f": {' or '.join(ways)} keeps one shot" if ways else ""
        lines.append(f"the picture jumps at {at:.2f} s{_more(noticed['jumped'])}, as where a piece was cut out{keep}")
    for name, what in (("faded", "is dark or faded"), ("held", "stands still")):
        if noticed[name]:
            lines.append(f"the picture {what} {_left_out(source, noticed[name], count)}, and nothing is learnt there")
    unseen = [run for run in noticed["unseen"] if run[1] - run[0] >= source.fps]
    missing = sum(b - a for a, b in noticed["unseen"]) / count
    if unseen:
        lines.append(f"no face in {missing:.0%} of the frames {_left_out(source, unseen, count)}")
    elif missing > 0.03:
        lines.append(f"no face in {missing:.0%} of the frames, here and there: hands or hair over the face?")
    if noticed["real_fps"] < (1 - COPIES) * source.fps:
        lines.append(
            f"many frames repeat the one before, {noticed['real_fps']:.1f} a second do not: process again with "
            f"--fps {_usual_rate(noticed['real_fps']):g}"
        )
    return lines


def advice(numbers: dict) -> list[str]:
    """A line for everything else that a person could improve, the most harmful first."""
    lines = []
    lag = Lag(numbers["sound_delay_s"], numbers["sound_delay_confidence"])
    if abs(lag.seconds) > OFF and lag.confidence >= CONFIDENT:
        total = lag.seconds + numbers["sound_delay_corrected_s"]
        lines.append(
            f"the sound seems {abs(lag.seconds):.2f} s {'late' if lag.seconds > 0 else 'early'}; "
            f"process again with --sound-delay {total:.2f}"
        )
    if numbers["seconds"] * numbers["valid_fraction"] > LONG_ENOUGH and lag.confidence < UNRELATED:
        lines.append(
            f"mouth and sound do not agree (confidence {lag.confidence:.2f}): "
            "is this the speaker's voice, without music?"
        )
    if numbers["seconds"] < 20:
        lines.append(f"only {numbers['seconds']:.0f} s of speech: one minute or more gives a livelier mouth")
    face = numbers["face_width_px"]
    filmed = face * numbers["crop"]["width"] / numbers["size"][0]
    if filmed < SMALL_FACE:
        lines.append(f"the face is {filmed:.0f} px wide in the video: film closer, or with more pixels")
    elif face < SMALL_FACE:
        lines.append(f"the face is {face:.0f} px wide, of {filmed:.0f} in the video: give a larger --size")
    if numbers["reprojection_error_px"] > 0.006 * face:
        lines.append(
            f"landmarks fit by {numbers['reprojection_error_px']:.1f} px: blur, hair or hands over the face may be why"
        )
    if numbers["mouth_opening"][2] - numbers["mouth_opening"][0] < 0.03:
        lines.append("the mouth hardly opens: is the person speaking?")
    yaw = numbers["yaw_degrees"]
    if yaw[1] - yaw[0] < 4:
        lines.append("the head hardly turns: views from the side will be guesses")
    if numbers["body_lost_fraction"] > 0.05:
        lines.append(
            f"the body was lost in {numbers['body_lost_fraction']:.0%} of the frames: hands or hair over the chest?"
        )
    if numbers["background_never_seen"] > 0.75:
        lines.append("little background is seen: the person fills the picture")
    return lines


def write(path: Path, contents: dict) -> None:
    """Write it, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(contents, indent=1))


def read_advice(path: Path) -> list[str]:
    """The advice of a written report."""
    return list(json.loads(path.read_text())["advice"])


def _left_out(source: Source, spans: list, count: int) -> str:
    """Where, and the options that leave the first of some runs out."""
    first, stop = spans[0]
    where = f"from {second(source, first):.2f} to {second(source, stop):.2f} s{_more(spans)}"
    ways = [options(source, run, count) for run in ((0, first), (stop, count)) if long_enough(source, run)]
    return f"{where} ({' or '.join(ways)} leaves it out)" if ways else where


def _more(spans: list) -> str:
    return f" (and {len(spans) - 1} times more)" if len(spans) > 1 else ""


def _usual_rate(fps: float) -> float:
    """The nearest rate that pictures are usually made at."""
    return min(USUAL_RATES, key=lambda rate: abs(np.log(rate / fps)))
