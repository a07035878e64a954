"""`geneface render`: a trained head says something, as a video with the user's own sound."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from audio_motion.errors import InputError
from audio_motion.sequence import LandmarkSequence, Sound
from geneface_ns.commands.memory import explains_out_of_memory
from geneface_ns.output.look import LookOptions

if TYPE_CHECKING:
    from audio_motion.media import Tracks

LARGEST_DIFFERENCE = 0.2
"""Seconds by which sound and motion given together may differ in length."""


@dataclass
class RenderConfig:
    """Let a trained head say something, as a video with sound."""

    load_config: Path
    """The config.yml that `ns-train geneface` wrote, the run's folder, or a person file (.gface)."""
    output: Path
    """The video to write: .mp4, .mov, .mkv or .webm."""
    audio: Path | None = None
    """Speech to say: any audio or video file. It becomes the video's sound as it is."""
    motion: Path | None = None
    """A landmark sequence (.npz) to perform instead of what the speech would give."""
    generator: str = "prior"
    """What turns speech into motion. prior: the generator that comes with the package, with a post-net fitted to the
    capture; person: a generator fitted to the capture alone; or a checkpoint (.safetensors) of your own, with a
    post-net fitted to the capture if it is of many speakers. What must be fitted is fitted once and kept in the
    capture's directory."""
    features: str | None = None
    """Where the speech features of a checkpoint of your own are now, as in training (default: where they were then)."""
    camera_path: Path | None = None
    """A camera from elsewhere: a camera path of `geneface camera-path` or the viewer (.json). Or head poses: a path
    whose cameras do not say when they look, or another capture's transforms.json."""
    seed: int = 0
    """Of the generator: another seed, another performance."""
    temperature: float = 0.1
    """How lively the generator is: 0 is the likeliest motion, 1 the full variety."""
    look: Annotated[LookOptions, tyro.conf.arg(name="")] = field(default_factory=LookOptions)
    """What the video shows besides the person, and at which size."""
    data: Path | None = None
    """The capture, where it no longer lies where the head was trained from."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What renders; auto is CUDA where there is one."""
    crf: int = 18
    """Quality of the picture, 0 (lossless) to 51."""
    sound_track: int | None = None
    """Which sound track of --audio is the speech, from 1; left out: the one that players play."""
    picture_track: int | None = None
    """Of an --audio with several picture tracks the one whose first picture is time 0, from 1."""

    def main(self) -> None:
        """Render and write the video.

        Raises:
            InputError: anything given cannot be used; found out before the model is loaded where possible.
        """
        from audio_motion.files import need_place, spare_inputs
        from audio_motion.media import audio_info, show_notes, sound_seconds
        from geneface_ns.nerf.trained import find_trained

        if self.audio is None and self.motion is None:
            raise InputError("nothing to say: give --audio speech.wav or --motion speech.npz")
        if self.look.paste_back is not None and self.camera_path is not None:
            raise InputError("--camera-path does not go with --paste-back, where the head moves as in the original")
        self.look.check(self.output)
        find_trained(self.load_config)
        sequence = LandmarkSequence.load(self.motion) if self.motion else None
        sound = self.audio
        if sequence is not None and sound is None:
            assert self.motion is not None
            sound = sound_beside(self.motion, sequence)
        given = (
            self.audio,
            self.motion,
            sound,
            self.camera_path,
            self.load_config,
            Path(self.generator),
            *self.look.inputs,
        )
        need_place(self.output)
        spare_inputs(self.output, given)
        duration = None
        if sound is not None:
            show_notes(sound, audio_info(sound, self._tracks).notes)
            duration = sound_seconds(sound, self._tracks)
        if sequence is not None and duration is not None and abs(sequence.duration - duration) > LARGEST_DIFFERENCE:
            raise InputError(
                f"{self.motion} is {sequence.duration:.2f} s long, {sound} {duration:.2f} s; give its own sound"
            )
        self._render(sequence, sound, duration)

    @property
    def _tracks(self) -> Tracks:
        from audio_motion.media import Tracks

        return Tracks(self.picture_track, self.sound_track)

    @explains_out_of_memory()
    def _render(self, sequence: LandmarkSequence | None, sound: Path | None, duration: float | None) -> None:
        from audio_motion.progress import shown
        from geneface_ns.motion.camera_path import timed_path
        from geneface_ns.motion.sequence import motion_of_sequence
        from geneface_ns.motion.speech import motion_of_speech
        from geneface_ns.motion.trajectory import own_trajectory, trajectory_from_file
        from geneface_ns.motion.voice import voice_of
        from geneface_ns.nerf.trained import load_trained
        from geneface_ns.output.credentials import sign
        from geneface_ns.output.drive import drive, drive_past
        from geneface_ns.output.look import look_of
        from geneface_ns.output.video import VideoWriter
        from geneface_ns.renderers.reference import ReferenceRenderer

        trained = load_trained(self.load_config, self.data, self.device)
        renderer, person = ReferenceRenderer(trained.portrait), trained.person
        look = look_of(self.look, person, renderer.camera.size)
        cameras = timed_path(self.camera_path, person.fps) if self.camera_path is not None else None
        if self.camera_path is not None and cameras is None:
            trajectory = trajectory_from_file(self.camera_path, person)
        else:
            trajectory = look.trajectory or own_trajectory(person)
        if sequence is not None:
            total = max(1, round((duration or sequence.duration) * person.fps))
            motion = motion_of_sequence(sequence, person, total)
        else:
            assert sound is not None
            assert duration is not None
            voice = voice_of(person, self.generator, self.features)
            motion = motion_of_speech(sound, voice, person, self.seed, self.temperature, tracks=self._tracks)
            total = math.ceil(round(duration * person.fps, 6))
        if cameras is not None:
            frames = drive_past(renderer, cameras, person, motion, look.render_size, finish=look.finish_from(0))
        else:
            frames = drive(renderer, trajectory, motion, person.fps, look.render_size, finish=look.finish_from(0))
        with VideoWriter(
            self.output, look.size, person.fps, sound, self.crf, tracks=self._tracks, alpha=look.alpha
        ) as writer:
            for frame in shown(frames, total, "render"):
                writer.write(frame)
        if self.look.c2pa is not None:
            sign(self.output, *self.look.c2pa)
        print(f"{self.output}: {writer.frames} frames, {writer.frames / person.fps:.2f} s")


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
