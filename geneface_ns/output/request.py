"""One video that is asked for, and whether what it is to be made from can be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audio_motion.arkit import load_motion
from audio_motion.errors import InputError
from audio_motion.files import need_output
from audio_motion.media import Tracks, audio_info, show_notes, sound_seconds
from audio_motion.sequence import LandmarkSequence, Sound
from geneface_ns.output.options import RenderOptions

MOST_HEAD_MOTION = 1.5
"""Times the filmed motion."""
LARGEST_DIFFERENCE = 0.2
"""Seconds by which sound and motion given together may differ in length."""


@dataclass(frozen=True)
class Request:
    """What is to be said or performed, and where the video goes."""

    output: Path
    audio: Path | None = None
    """The video's sound, and what is said where no motion is given."""
    motion: Path | None = None
    """A landmark sequence to perform."""


@dataclass(frozen=True)
class Script:
    """What is said or performed, looked at: a sequence, a sound, or both."""

    sequence: LandmarkSequence | None
    sound: Path | None
    duration: float | None
    """Seconds of the sound."""


def script_of(request: Request, options: RenderOptions, source: Path) -> Script:
    """Look at all that a request names, before a model is loaded.

    Args:
        source: the trained head's files.

    Raises:
        InputError: something cannot be used, or the output cannot be written, or would replace what is read.
    """
    if request.audio is None and request.motion is None:
        raise InputError("nothing to say: give speech (--audio) or a landmark sequence (--motion)")
    filmed = options.look.filmed
    if filmed is not None and options.camera_path is not None:
        raise InputError(f"--camera-path does not go with {filmed}, where the head moves as it was filmed")
    _check_head_motion(options)
    if options.head_motion != 1:
        elsewhere = {
            "--motion": request.motion,
            "--camera-path": options.camera_path,
            filmed: filmed,
        }
        for name, given in elsewhere.items():
            if given is not None:
                raise InputError(f"--head-motion does not go with {name}, which says how the head moves; leave it out")
    options.look.check(request.output)
    sequence = load_motion(request.motion) if request.motion else None
    sound = request.audio
    if sequence is not None and sound is None:
        assert request.motion is not None
        sound = sound_beside(request.motion, sequence)
    read = (
        request.audio,
        request.motion,
        sound,
        options.camera_path,
        source,
        Path(options.generator),
        *options.look.inputs,
    )
    need_output(request.output, read)
    duration = None
    if sound is not None:
        duration = _seconds(sound, options.tracks)
    if sequence is not None and duration is not None and abs(sequence.duration - duration) > LARGEST_DIFFERENCE:
        raise InputError(
            f"{request.motion} is {sequence.duration:.2f} s long, {sound} {duration:.2f} s; give its own sound"
        )
    return Script(sequence, sound, duration)


def script_of_page(speech: Path, page: Path, options: RenderOptions, source: Path) -> Script:
    """As `script_of`, for speech that becomes a page.

    Args:
        source: the trained head's files.

    Raises:
        InputError: as `script_of`.
    """
    _check_head_motion(options)
    need_output(page, (speech, source, Path(options.generator)))
    return Script(None, speech, _seconds(speech, options.tracks))


def _check_head_motion(options: RenderOptions) -> None:
    if not 0 <= options.head_motion <= MOST_HEAD_MOTION:
        raise InputError(f"--head-motion {options.head_motion:g}: give a number from 0 to {MOST_HEAD_MOTION:g}")


def _seconds(sound: Path, tracks: Tracks) -> float:
    show_notes(sound, audio_info(sound, tracks).notes)
    return sound_seconds(sound, tracks)


def sound_beside(motion: Path, sequence: LandmarkSequence) -> Path | None:
    """The sound that a sequence says it belongs to, if it lies beside it unchanged; says so if it does not."""
    if sequence.sound is None:
        print(f"{motion} names no sound: the video will be silent (give one with --audio)")
        return None
    path = Path(motion).parent / sequence.sound.file
    if not path.is_file() or Sound.of(path, sequence.sound.sample_rate).sha256 != sequence.sound.sha256:
        print(f"{path} is not there or has changed: the video will be silent (give the sound with --audio)")
        return None
    return path
