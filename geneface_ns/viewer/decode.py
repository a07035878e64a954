"""Reads a file of unknown origin in a process of its own, with little memory and time, and writes it anew.

    python -m geneface_ns.viewer.decode sound UPLOAD OUT.wav 600
    python -m geneface_ns.viewer.decode motion UPLOAD OUT.npz 600
    python -m geneface_ns.viewer.decode picture UPLOAD OUT.png 512 512

What the viewer's process then reads was written by this program alone.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from audio_motion.ending import ends_in_one_line
from audio_motion.errors import InputError
from geneface_ns.viewer.sound import RATE

MEMORY = 2 << 30
"""Bytes of address space."""
CPU_SECONDS, SECONDS = 60, 90
"""Of computing, and by the clock on the wall."""
LARGEST_OUTPUT = 256 << 20
"""Bytes."""

Kind = Literal["sound", "motion", "picture"]
_INSTEAD: dict[Kind, str] = {
    "sound": "convert it to WAV first",
    "motion": "cut it first",
    "picture": "make it a smaller PNG first",
}
"""What to do with a file that is too much."""


def decode_apart(kind: Kind, source: Path, output: Path, *limits: float) -> None:
    """Run this module on a file.

    Args:
        kind: what the file should be.
        source: any file.
        output: WAV (mono, 16 bit, `sound.RATE`), LandmarkSequence or PNG.
        limits: seconds that it may last; of a picture, width and height that it is to cover, px.

    Raises:
        InputError: it cannot be used, takes too much memory or time, or lasts longer; without the file's path.
    """
    words = [sys.executable, "-m", "geneface_ns.viewer.decode", kind, str(source), str(output)]
    words += [f"{limit:g}" for limit in limits]
    try:
        ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise InputError(f"it takes longer than {SECONDS} s to read; {_INSTEAD[kind]}") from None
    if ended.returncode == 0 and output.is_file():
        return
    output.unlink(missing_ok=True)
    said = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    if not said:
        raise InputError(f"it cannot be read within the memory and time allowed; {_INSTEAD[kind]}")
    raise InputError(_without_path(said[-1].removeprefix("error: "), source))


def _without_path(message: str, source: Path) -> str:
    """The user never saw this path, nor the option that `geneface render` takes such a file by."""
    for words, instead in (("--background ", ""), (f"{source}: ", ""), (str(source), source.name)):
        message = message.replace(words, instead)
    return message


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, LARGEST_OUTPUT),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard),) * 2)


def _decode_sound(source: Path, output: Path, longest: float) -> None:
    import numpy as np

    from audio_motion.media import stream_channels

    made = 0
    with wave.open(str(output), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        for (block,) in stream_channels(source, RATE, "mono"):
            made += len(block)
            if made > longest * RATE:
                raise InputError(f"{source}: lasts longer than {longest:g} s; cut it, or use `geneface render`")
            file.writeframes((np.clip(block, -1, 1) * 32767).astype("<i2").tobytes())


def _decode_motion(source: Path, output: Path, longest: float) -> None:
    from audio_motion.arkit import load_motion

    sequence = load_motion(source)
    if sequence.duration > longest:
        raise InputError(f"{source}: lasts longer than {longest:g} s; cut it, or use `geneface render`")
    sequence.save(output)


def _decode_picture(source: Path, output: Path, width: float, height: float) -> None:
    import cv2

    from geneface_ns.output.backgrounds import still_picture
    from geneface_ns.output.finish import cover

    picture = still_picture(source)
    if picture is None:
        raise InputError(f"{source}: no picture; give a PNG or JPEG (`geneface render --background` takes videos, too)")
    cv2.imwrite(str(output), cover(picture, (round(width), round(height)))[..., ::-1])


if __name__ == "__main__":
    with ends_in_one_line():
        _limit()
        work: dict[str, Callable[..., None]] = {
            "sound": _decode_sound,
            "motion": _decode_motion,
            "picture": _decode_picture,
        }
        work[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]), *map(float, sys.argv[4:]))
