"""The work on one clip: probe, listen, look, judge, and put sound and picture on one clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from audio_motion.corpus.config import Gate
from audio_motion.corpus.find import Source
from audio_motion.corpus.voice import measure_voice
from audio_motion.data.shard_file import FULL_SCALE, Record, StoredClip, checksum
from audio_motion.errors import InputError
from audio_motion.lag import Lag
from audio_motion.media import SAMPLE_RATE, VideoInfo, load_audio, probe, read_frames
from audio_motion.sequence import LandmarkSequence
from audio_motion.topology import face_width
from audio_motion.tracking import Detector, Face, Track, collect_meshes, fit_track, make_detector
from audio_motion.tracking.head_motion import angles, first_jump

LagEstimator = Callable[[np.ndarray, LandmarkSequence], Lag]
"""Samples float32 [S] at 16 kHz and motion, on one clock, to how late the sound comes (`audio_motion.sync`)."""


class Refused(InputError):
    """A clip that cannot be learned from."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        """A few words, the same for all clips refused for this reason."""


@dataclass(frozen=True)
class ClipWork:
    """All that the work on a clip needs; travels to the worker."""

    source: Source
    key: str
    gate: Gate
    lag_confidence: float
    estimate_lag: LagEstimator


def make_clip(work: ClipWork) -> StoredClip:
    """What a corpus keeps of a clip.

    Raises:
        Refused: the clip cannot be read or does not pass the gate; says why in one line.
    """
    source, gate = work.source, work.gate
    with refusing("broken video"):
        info = probe(source.video)
    _check_video(info, gate)
    samples = _sound(source, info, gate)
    voice = measure_voice(samples)
    _at_least(voice.level, gate.min_level, "silent", "the sound's loud parts reach {:.0f} dB, less than {:g}")
    _at_least(voice.speech, gate.min_speech, "mostly silent", "speech fills {:.0%} of the time, less than {:.0%}")
    _at_least(
        voice.rhythm, gate.min_rhythm, "no speech", "loudness swings by {:.1f} dB as syllables do, less than {:g}"
    )

    meshes, valid = _faces(source, info)
    unseen = 1 - float(valid.mean())
    _at_most(unseen, gate.max_unseen, "face unseen", "no face in {:.0%} of the frames, more than {:.0%}")
    with refusing("face unseen"):
        track = fit_track(meshes, valid, (info.width, info.height), info.fps, source.name)
    figures = {**_judge(track, gate), "unseen": unseen, **vars(voice)}

    # Which speaker it is, is decided when all clips are known.
    sequence = track.sequence(source.name, "mediapipe")
    lag = work.estimate_lag(samples, sequence)
    shifted = lag.seconds if lag.confidence >= work.lag_confidence else 0.0
    sequence, samples, start = on_one_clock(sequence, samples, shifted)
    _at_least(sequence.duration, gate.min_seconds, "too short", "{:.1f} s of picture with sound, less than {:g}")
    sound = np.round(np.clip(samples, -1, 1) * FULL_SCALE).astype(np.int16)
    arrays = {
        "landmarks": sequence.landmarks,
        "eye_openness": sequence.eye_openness,
        "valid": sequence.valid,
        "sound": sound,
    }
    record = Record(
        key=work.key,
        name=source.name,
        fps=sequence.fps,
        frames=len(sequence),
        start=start,
        lag=float(lag.seconds),
        lag_confidence=float(lag.confidence),
        shifted=float(shifted),
        detector="mediapipe",
        figures={name: round(float(value), 4) for name, value in figures.items()},
        sha256=checksum(arrays),
    )
    return StoredClip(record, **arrays, notes=info.notes)


def on_one_clock(
    sequence: LandmarkSequence, samples: np.ndarray, late: float
) -> tuple[LandmarkSequence, np.ndarray, float]:
    """The span that has both picture and sound, once a sound that comes `late` seconds late is moved earlier.

    Returns:
        The sequence's frames of that span, the sound float32 [S] from its first frame's time and as long, and that time
        in seconds of the picture.

    Raises:
        Refused: there is no such span.
    """
    fps = sequence.fps
    first = max(0, int(np.ceil(round(-late * fps, 6))))
    samples = samples[max(0, round((first / fps + late) * SAMPLE_RATE)) :]
    frames = min(len(sequence) - first, int(len(samples) * fps / SAMPLE_RATE + 1e-6))
    if frames < 1:
        raise Refused("too short", "picture and sound have no time in common")
    cut = sequence.slice((first - 0.5) / fps, (first + frames - 0.5) / fps)
    return cut, samples[: round(frames / fps * SAMPLE_RATE)], first / fps


@contextmanager
def refusing(kind: str) -> Iterator[None]:
    """Let an InputError raised inside refuse the clip."""
    try:
        yield
    except Refused:
        raise
    except InputError as error:
        raise Refused(kind, str(error)) from error


def _check_video(info: VideoInfo, gate: Gate) -> None:
    _at_least(info.duration, gate.min_seconds, "too short", "{:.1f} s long, less than {:g}")
    _at_most(info.duration, gate.max_seconds, "too long", "{:.0f} s long, more than {:g}; cut it")
    _at_least(info.fps, gate.min_fps, "few frames", "{:.1f} frames per second, less than {:g}")


def _sound(source: Source, info: VideoInfo, gate: Gate) -> np.ndarray:
    """float32 [S] at 16 kHz, on the picture's clock: the video's own sound, or that beside it."""
    path = source.video if info.has_audio else source.sound
    if path is None:
        raise Refused("no sound", "no sound track in it, and no .wav, .flac or .m4a of its name beside it")
    with refusing("broken sound"):
        samples = load_audio(path)
    mismatch = len(samples) / SAMPLE_RATE - info.duration
    if abs(mismatch) > gate.max_sound_mismatch:
        raise Refused(
            "sound of another length",
            f"{path.name}: {len(samples) / SAMPLE_RATE:.1f} s of sound for {info.duration:.1f} s of picture",
        )
    return samples


def _faces(source: Source, info: VideoInfo) -> tuple[np.ndarray, np.ndarray]:
    """Meshes float32 [T, M, 3] and valid bool [T] of the one person."""
    detector = _Noting(make_detector("mediapipe"))
    # One thread decodes: as many clips are worked on as there are cores.
    frames = _readable(read_frames(source.video, fps=info.fps, threads=1))
    try:
        return collect_meshes(frames, detector, source.name)
    except Refused:
        raise
    except InputError as error:
        raise Refused("several faces" if detector.seen else "no face", str(error)) from error


def _readable(frames: Iterator[tuple[float, np.ndarray]]) -> Iterator[tuple[float, np.ndarray]]:
    """Frames whose own errors refuse the clip as broken, whoever takes them."""
    with refusing("broken video"):
        yield from frames


class _Noting:
    """A detector that notes whether it ever saw a face: what tells no face from several."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.seen = False

    def __call__(self, rgb: np.ndarray) -> list[Face]:
        faces = self._detector(rgb)
        self.seen = self.seen or bool(faces)
        return faces


def _judge(track: Track, gate: Gate) -> dict[str, float]:
    """Figures of a track that passes the gate."""
    width = float(np.median(face_width(track.points2d)[track.valid]))
    _at_least(width, gate.min_face_width, "small face", "the face is {:.0f} px wide, less than {:g}")
    jump = first_jump(track.points2d, track.valid, track.fps)
    if jump is not None:
        raise Refused("cut", f"the face jumps at {jump / track.fps:.2f} s, as at a cut; cut the video there")
    yaw = angles(track.c2w)[track.valid, 0]
    turned = float((np.abs(yaw) > gate.max_yaw).mean())
    what = f"turned by more than {gate.max_yaw:g} degrees in "
    _at_most(turned, gate.max_turned, "turned away", what + "{:.0%} of the frames, more than {:.0%}")
    misfit = track.error / width
    _at_most(misfit, gate.max_misfit, "bad fit", "landmarks fit the rigid face by {:.3f} of its width, more than {:g}")
    return {"face_width": width, "yaw": float(np.median(yaw)), "turned": turned, "misfit": misfit}


def _at_least(value: float, least: float, kind: str, reason: str) -> None:
    if not value >= least:
        raise Refused(kind, reason.format(value, least))


def _at_most(value: float, most: float, kind: str, reason: str) -> None:
    if not value <= most:
        raise Refused(kind, reason.format(value, most))
