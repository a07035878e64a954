"""Motion in either form, told by the file's name: a landmark sequence (.npz), or ARKit's blendshapes (.csv)."""

from __future__ import annotations

from pathlib import Path

from audio_motion.arkit.livelink import read_livelink, write_livelink
from audio_motion.arkit.rig import sequence_of, shapes_of
from audio_motion.sequence import LandmarkSequence

MOTION_SUFFIXES = (".npz", ".csv")


def save_motion(motion: LandmarkSequence, path: Path) -> None:
    """Write motion: blendshapes as Live Link Face writes them where the name ends in .csv, else a landmark sequence.

    Raises:
        InputError: it cannot be written.
    """
    if path.suffix.lower() == ".csv":
        write_livelink(path, shapes_of(motion), motion.fps)
    else:
        motion.save(path)


def load_motion(path: Path) -> LandmarkSequence:
    """Read motion: blendshapes where the name ends in .csv, else a landmark sequence.

    Raises:
        InputError: it is neither.
    """
    if path.suffix.lower() != ".csv":
        return LandmarkSequence.load(path)
    recording = read_livelink(path)
    return sequence_of(recording.shapes, recording.fps, path.stem)
