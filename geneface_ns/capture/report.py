"""`report.json`: what was found, and what to do about it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from audio_motion.files import written_whole
from audio_motion.topology import face_width, mouth_opening
from audio_motion.tracking import Track, gaps
from audio_motion.tracking.head_motion import angles
from geneface_ns.capture.sound import Offset, believed

SCHEMA_VERSION = 1


def build(
    person: str,
    video: str,
    fps: float,
    size: tuple[int, int],
    crop: dict[str, int],
    source_size: list[int],
    track: Track,
    correlation: np.ndarray,
    never_seen: float,
    offset: Offset,
    delay: float,
    seconds: dict[str, float],
) -> dict:
    """The report's contents; see docs/capture.md for what each number means."""
    turn = angles(track.c2w)
    opening = mouth_opening(track.landmarks)[track.valid]
    spread = np.percentile(turn, [2, 98], axis=0)
    numbers = {
        "frames": len(track.valid),
        "seconds": len(track.valid) / fps,
        "fps": fps,
        "size": list(size),
        "crop": crop,
        "source_size": source_size,
        "face_width_px": float(np.median(face_width(track.points2d))),
        "valid_fraction": float(track.valid.mean()),
        "gaps": [[round(a, 2), round(b, 2)] for a, b in gaps(track.valid, fps)],
        "reprojection_error_px": float(track.error),
        "yaw_degrees": [round(float(v), 2) for v in spread[:, 0]],
        "pitch_degrees": [round(float(v), 2) for v in spread[:, 1]],
        "roll_degrees": [round(float(v), 2) for v in spread[:, 2]],
        "mouth_opening": [round(float(v), 4) for v in np.percentile(opening, [5, 50, 95])],
        "background_never_seen": never_seen,
        "body_lost_fraction": float(np.isnan(correlation).mean()),
        "body_correlation": float(np.nanmedian(correlation)) if np.isfinite(correlation).any() else 0.0,
        "sound_delay_s": round(offset.seconds, 3),
        "sound_delay_evidence": round(offset.evidence, 3),
        "sound_delay_corrected_s": delay,
        "stage_seconds": seconds,
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "person": person,
        "video": video,
        **numbers,
        "advice": advice(numbers),
    }


def advice(numbers: dict) -> list[str]:
    """One line for everything a person could improve, the most harmful first."""
    lines = []
    delay, evidence = numbers["sound_delay_s"], numbers["sound_delay_evidence"]
    if abs(delay) > 0.08 and believed(evidence, numbers["seconds"]):
        total = delay + numbers["sound_delay_corrected_s"]
        lines.append(
            f"the sound seems {abs(delay):.2f} s {'late' if delay > 0 else 'early'}; "
            f"process again with --sound-delay {total:.2f}"
        )
    if numbers["seconds"] > 10 and not believed(evidence, numbers["seconds"]):
        lines.append(
            f"mouth and sound hardly agree (correlation {evidence:.2f}): is this the speaker's voice, without music?"
        )
    if numbers["seconds"] < 20:
        lines.append(f"only {numbers['seconds']:.0f} s of speech: one minute or more gives a livelier mouth")
    if numbers["face_width_px"] < 100:
        lines.append(f"the face is {numbers['face_width_px']:.0f} px wide: film closer, or give a larger --size")
    if numbers["valid_fraction"] < 0.97:
        where = ", ".join(f"{a:.1f} to {b:.1f} s" for a, b in numbers["gaps"][:3])
        lines.append(
            f"no face in {1 - numbers['valid_fraction']:.0%} of the frames{': ' + where if where else ''}; "
            "leave such spans out with --start and --end"
        )
    if numbers["reprojection_error_px"] > 0.006 * numbers["face_width_px"]:
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
