"""The CSV files of Epic's Live Link Face: a row a frame, `Timecode,BlendShapeCount,EyeBlinkLeft,…,RightEyeRoll`.

The time code is HH:MM:SS:FF.sub, FF counting frames within the second at the app's rate.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from audio_motion.arkit.shapes import ROTATIONS, SHAPES
from audio_motion.errors import InputError
from audio_motion.files import need_file, written_whole

RATES = (24, 25, 30, 48, 50, 60, 90, 100, 120, 240)
"""Frames a second that a time code may count in."""
USUAL = 60
"""The app's own: what a time code counts in where the frames' own rate is none of those."""
MOST = 1 << 18
"""Frames: over an hour at 60 a second."""
LARGEST = 1 << 28
"""Bytes."""
_TIMECODE = re.compile(r"(\d{1,3}):(\d\d):(\d\d)[:;.](\d{1,3}(?:\.\d+)?)")
_NAMES = {name.lower(): index for index, name in enumerate(SHAPES)}


class Recording(NamedTuple):
    """What such a file holds."""

    shapes: np.ndarray
    """float32 [T, 52], 0 to 1."""
    fps: float


def write_livelink(path: Path, shapes: np.ndarray, fps: float) -> None:
    """Write shapes [T, 52], whole or not at all; angles of head and eyes are 0.

    Raises:
        InputError: it cannot be written.
    """
    rate = fps if fps in RATES else USUAL
    still = ["0"] * len(ROTATIONS)
    with written_whole(path) as temporary, temporary.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Timecode", "BlendShapeCount", *SHAPES, *ROTATIONS])
        for index, row in enumerate(shapes):
            strengths = [f"{value:.6f}" for value in row]
            rows.writerow([_timecode(index / fps, rate), len(SHAPES) + len(ROTATIONS), *strengths, *still])


def read_livelink(path: Path) -> Recording:
    """Read such a file, at the rate that its time code counts in. Frames that were left out are filled in linearly.

    Columns are known by their names, in any order and in capital letters or not; of other ones nothing is taken, and
    shapes without a column are 0.

    Raises:
        InputError: not such a file, or it holds what cannot be; the message names the line.
    """
    need_file(path, "expected blendshapes as Live Link Face writes them (.csv)")
    if path.stat().st_size > LARGEST:
        raise InputError(f"{path}: larger than {LARGEST >> 20} MiB; cut it into pieces")
    codes: list[tuple[int, float]] = []
    rows: list[np.ndarray] = []
    for line, code, strengths in _rows(path):
        moment = _TIMECODE.fullmatch(code.strip())
        if moment is None:
            raise InputError(f"{path}: line {line} has the time code {code[:20]!r}; expected HH:MM:SS:FF.sub")
        hours, minutes, seconds = (int(part) for part in moment.groups()[:3])
        codes.append((3600 * hours + 60 * minutes + seconds, float(moment[4])))
        rows.append(strengths)
    if not rows:
        raise InputError(f"{path}: holds no frames; record it again")
    if codes[0][0] == codes[-1][0]:
        raise InputError(f"{path}: all within one second, so that its rate cannot be told; record at least a second")
    most = max(frame for _, frame in codes)
    rate = next((rate for rate in RATES if most < rate), None)
    if rate is None:
        raise InputError(f"{path}: its time code counts {most:g} frames in a second; expected at most {RATES[-1]}")
    times = np.array([second + frame / rate for second, frame in codes])
    times -= times[0]
    if (np.diff(times) < 0).any():
        line = 3 + int((np.diff(times) < 0).argmax())
        raise InputError(f"{path}: time goes back at line {line}; cut the file there")
    count = round(times[-1] * rate) + 1
    if count > MOST:
        raise InputError(f"{path}: lasts {times[-1]:.0f} s at {rate} frames/s, more than an hour; cut it into pieces")
    even, shapes = np.arange(count) / rate, np.empty((count, len(SHAPES)), np.float32)
    for column, values in zip(shapes.T, np.stack(rows, axis=1), strict=True):
        column[:] = np.interp(even, times, values).clip(0, 1)
    return Recording(shapes, float(rate))


def _rows(path: Path) -> Iterator[tuple[int, str, np.ndarray]]:
    """Number, time code and strengths float64 [52] of each line after the header."""
    advice = "expected blendshapes as Live Link Face writes them"
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            header = [name.strip().lower() for name in next(lines, [])]
            columns = {_NAMES[name]: place for place, name in enumerate(header) if name in _NAMES}
            if "timecode" not in header or "jawopen" not in header:
                raise InputError(f"{path}: its first line names no Timecode and JawOpen; {advice}")
            clock = header.index("timecode")
            for line in lines:
                if not line:
                    continue
                strengths = np.zeros(len(SHAPES), np.float32)
                for shape, place in columns.items():
                    strengths[shape] = float(line[place])
                if not np.isfinite(strengths).all():
                    raise InputError(f"{path}: line {lines.line_num} holds what is no number; record it again")
                yield lines.line_num, line[clock], strengths
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}); {advice}") from error
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}: line {lines.line_num} is damaged ({error}); {advice}") from error


def _timecode(seconds: float, rate: float) -> str:
    """HH:MM:SS:FF.sub of a moment."""
    whole = int(seconds + 1e-9)
    frame = math.floor(max(0.0, seconds - whole) * rate * 1000 + 1e-3) / 1000
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}:{frame:06.3f}"
