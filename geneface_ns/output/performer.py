"""A trained head that says one thing after the other."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from audio_motion.progress import shown
from geneface_ns.motion.camera_path import timed_path
from geneface_ns.motion.head_motion import head_motion, with_own_upper_face
from geneface_ns.motion.prosody import own_prosody, prosody_of
from geneface_ns.motion.sequence import MotionFrame, motion_of_sequence
from geneface_ns.motion.speech import motion_of_speech
from geneface_ns.motion.trajectory import Trajectory, own_trajectory, trajectory_from_file
from geneface_ns.motion.voice import Voice, voice_of
from geneface_ns.output.credentials import sign
from geneface_ns.output.drive import drive, drive_past
from geneface_ns.output.finished import facts_of
from geneface_ns.output.join import join
from geneface_ns.output.look import look_of
from geneface_ns.output.options import RenderOptions
from geneface_ns.output.pieces import pieces_folder, write_in_pieces
from geneface_ns.output.request import Request, Script
from geneface_ns.output.video import VideoWriter, frame_rate
from geneface_ns.renderers.choose import choose_renderer
from geneface_ns.trained.load import load_trained
from geneface_ns.trained.runs import Source

VERSION = 2
"""Raised when other pictures come of the same head, speech and options."""


class Performer:
    """A trained head, its voice and its head's motion, loaded once."""

    def __init__(self, source: Source, options: RenderOptions) -> None:
        """
        Raises:
            InputError: the head, its capture or the camera path cannot be used.
        """
        self.options = options
        trained = load_trained(source.path, source.data, options.device)
        self.weights = source.weights
        self.person = trained.person
        self.renderer = choose_renderer(trained.portrait, options.renderer)
        self.look = look_of(options.look, self.person, self.renderer.camera.size)
        path = options.camera_path
        self.cameras = timed_path(path, self.person.fps) if path is not None else None
        if path is not None and self.cameras is None:
            self.trajectory: Trajectory | None = trajectory_from_file(path, self.person)
        else:
            self.trajectory = self.look.trajectory

    @cached_property
    def voice(self) -> Voice:
        """What speech becomes motion by; fitted to the capture on first use where it must be."""
        return voice_of(self.person, self.options.generator, self.options.features)

    @cached_property
    def own_prosody(self) -> np.ndarray:
        """float32 [F, 3]: of what the person said in their own video."""
        return own_prosody(self.person)

    def key(self, request: Request, script: Script) -> str:
        """Of all that decides the frames and the sound: 64 hexadecimal digits over options, names, sizes and times of
        files. Where it is the same, the same video would be made.

        Raises:
            InputError: a file has vanished.
        """
        files: list[Path | None] = [self.weights, self.options.camera_path, request.motion, script.sound]
        files += [path for path in self.options.look.inputs if path is not None and path.is_file()]
        if script.sequence is None:
            files += [self.voice.generator, self.voice.postnet if isinstance(self.voice.postnet, Path) else None]
        facts = [VERSION, self.options.content(), *(path and facts_of(path) for path in files)]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def perform(self, request: Request, script: Script) -> int:
        """Make the video that is asked for, with a progress bar; returns how many frames it has.

        Raises:
            InputError: the speech, the voice or the output cannot be used.
        """
        fps, look, tracks = self.person.fps, self.look, self.options.tracks
        key = self.key(request, script)

        def frames_from(first: int) -> Iterator[np.ndarray]:
            motion, total, trajectory = self.motion(script)
            size, finish = look.render_size, look.finish_from(first, pieces_folder(request.output))
            if look.replay is not None:
                view = partial(look.replay.view, own=self.renderer.camera)
                frames = drive(self.renderer, trajectory, look.replay.spoken(motion), fps, view, first, finish)
            elif self.cameras is not None:
                frames = drive_past(self.renderer, self.cameras, self.person, motion, size, first, finish)
            else:
                frames = drive(self.renderer, trajectory, motion, fps, size, first, finish)
            return shown(frames, total, "render", first)

        count = write_in_pieces(
            request.output,
            key,
            fps,
            frames_from,
            lambda path: VideoWriter(path, look.size, fps, crf=self.options.crf, alpha=look.alpha),
            lambda pieces: join(request.output, pieces, frame_rate(fps), script.sound, tracks, look.replay is not None),
        )
        if self.options.look.c2pa is not None:
            sign(request.output, *self.options.look.c2pa)
        return count

    def motion(self, script: Script) -> tuple[Iterator[MotionFrame], int, Trajectory]:
        """The face, frame by frame, how many frames there are, and how head and body move."""
        person, options = self.person, self.options
        if script.sequence is not None:
            total = max(1, round((script.duration or script.sequence.duration) * person.fps))
            motion = motion_of_sequence(script.sequence, person, total)
            return motion, total, self.trajectory or own_trajectory(person)
        assert script.sound is not None
        assert script.duration is not None
        motion = motion_of_speech(
            *(script.sound, self.voice, person, options.seed, options.temperature), tracks=options.tracks
        )
        total = math.ceil(round(script.duration * person.fps, 6))
        if self.cameras is not None or self.trajectory is not None:
            return motion, total, self.trajectory or own_trajectory(person)
        prosody = prosody_of(script.sound, person.fps, options.tracks)
        moves = head_motion(person, self.own_prosody, prosody, options.seed, options.head_motion)
        return with_own_upper_face(motion, person, moves.selection), total, moves.trajectory
