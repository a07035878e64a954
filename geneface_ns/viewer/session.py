"""One browser at the viewer: its files, what it performs, and all that ends with it."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import viser

from audio_motion.arkit import MOTION_SUFFIXES
from audio_motion.errors import InputError
from audio_motion.sequence import LandmarkSequence
from geneface_ns.motion.camera_path import write_path
from geneface_ns.motion.head_motion import head_motion
from geneface_ns.motion.prosody import prosody_of
from geneface_ns.motion.speech import motion_of_speech
from geneface_ns.motion.voice import Voice
from geneface_ns.viewer.browser import Browser, Report
from geneface_ns.viewer.decode import decode_apart
from geneface_ns.viewer.export import export
from geneface_ns.viewer.path import seen_path, use_of_path
from geneface_ns.viewer.performance import (
    Performance,
    capture_sound,
    own_performance,
    sequence_performance,
    speech_performance,
)
from geneface_ns.viewer.picture import Backdrop, backdrop_of
from geneface_ns.viewer.player import Player
from geneface_ns.viewer.sound import PlayedSound, load_played, silence
from geneface_ns.viewer.spoken import Delivery
from geneface_ns.viewer.stage import Stage

OWN = "own video"
"""The choice that is always there: the person's own motion and sound."""
MOST_UPLOADS = 8
"""Kept for a browser; the oldest makes room."""

_log = logging.getLogger(__name__)


class Front(Protocol):
    """What a session asks of its panel and tells it, from any thread."""

    @property
    def delivery(self) -> Delivery:
        """How speech shall be performed."""
        ...

    def say(self, message: str) -> None:
        """Something for the user to read; empty: nothing any more."""

    def progress(self, part: float) -> None:
        """How far a prediction or an export is, 1 when it is done."""

    def heard(self, report: Report) -> None:
        """What the page says of itself."""

    def speaks_with(self, voice: Voice) -> None:
        """The voice is at hand."""

    def performs(self, performance: Performance) -> None:
        """Another performance has begun."""


class Session:
    """State of one browser; nothing of it is shared with others."""

    def __init__(self, stage: Stage, client: viser.ClientHandle, front: Front) -> None:
        self.stage, self._front = stage, front
        self._say, self._progress = front.say, front.progress
        self._folder = Path(tempfile.mkdtemp(prefix=f"browser-{client.client_id}-", dir=stage.folder))
        self._files = dict(stage.sounds)
        self._uploads: list[str] = []
        self._count = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._exporting = threading.Lock()
        self.performance: Performance | None = None
        """What is performed."""
        self.choice = OWN
        """What was chosen last."""
        self.browser = Browser(client, self._heard)
        self.player = Player(
            stage, client, self.browser, lambda error: self._say(f"a picture could not be made: {error}")
        )

    @property
    def choices(self) -> list[str]:
        """What can drive the head, by name."""
        return [OWN, *self._files]

    def add_file(self, name: str, content: bytes) -> str:
        """Keep an upload below this session's folder; returns the name it is chosen by."""
        with self._lock:
            self._count += 1
            known = Path(name).suffix.lower()
            suffix = known if known in MOTION_SUFFIXES else ".upload"
            path = self._folder / f"{self._count}{suffix}"
            shown = f"{Path(name).name[:60]} ({self._count})"
            path.write_bytes(content)
            self._files[shown] = path
            self._uploads.append(shown)
            if len(self._uploads) > MOST_UPLOADS:
                self._files.pop(self._uploads.pop(0)).unlink()
        return shown

    def choose(self, name: str) -> None:
        """Perform a choice; read and predicted in a thread of its own, which ends the one before."""
        with self._lock:
            if self._ended.is_set():
                return
            self.choice = name
            self._stop.set()
            self._stop = stop = threading.Event()
        self._start("prediction", name, lambda: self._perform(name, stop), stop)

    def add_picture(self, name: str, content: bytes, done: Callable[[Backdrop], None]) -> None:
        """Read a picture to stand behind the person, in a thread of its own; `done` is called with it."""

        def read() -> None:
            upload, picture = self._new_file(".upload"), self._new_file(".png")
            size = self.stage.renderer.camera.size
            try:
                upload.write_bytes(content)
                decode_apart("picture", upload, picture, *size)
                done(backdrop_of(str(picture), size))
                self._say("")
            finally:
                upload.unlink(missing_ok=True)
                picture.unlink(missing_ok=True)

        self._start("picture", name, read, self._ended)

    def export(self, done: Callable[[Path], None]) -> None:
        """Write what is shown to a video, in a thread of its own; `done` is called with it, and it is removed then."""
        performance, look = self.performance, self.player.look
        if performance is None or len(performance.frames) < performance.total:
            self._say("the motion is still being predicted; export it when it is there")
            return
        if not self._exporting.acquire(blocking=False):
            self._say("an export is under way")
            return

        def work() -> None:
            path = self._new_file(".mp4")
            try:
                if export(self.stage, performance, look, path, self._ended, self._progress):
                    done(path)
            finally:
                path.unlink(missing_ok=True)
                self._exporting.release()

        self._start("export", "export", work, self._ended)

    def export_path(self, done: Callable[[bytes], None]) -> None:
        """Write the camera that is looked through to a camera path; `done` is called with its contents."""
        performance, look = self.performance, self.player.look
        if performance is None:
            return
        path = self._new_file(".json")
        try:
            seen = seen_path(self.stage.person, self.stage.renderer.camera, performance, look)
            write_path(path, *seen, self.stage.person.fps)
            done(path.read_bytes())
            self._say(use_of_path(self.stage.run))
        except InputError as error:
            self._say(f"camera path: {error}")
        finally:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """End all threads and remove all files of this browser."""
        with self._lock:
            self._ended.set()
            self._stop.set()
        self.player.close()
        self.performance = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _heard(self, report: Report) -> None:
        self.player.wake()
        self._front.heard(report)

    def _start(self, kind: str, name: str, work: Callable[[], None], stop: threading.Event) -> None:
        """Do something in a thread of its own; nothing is said of it once `stop` is set."""

        def run() -> None:
            try:
                work()
            except InputError as error:
                if not stop.is_set():
                    self._progress(1.0)
                    self._say(f"{name}: {error}")
            except Exception as error:  # whatever it is, the viewer lives on
                if not self._ended.is_set():
                    _log.exception("%s: the %s failed", name, kind)
                    self._progress(1.0)
                    self._say(f"{name}: could not be performed ({type(error).__name__})")
            finally:
                if self._ended.is_set():  # what was still being written when all was removed
                    shutil.rmtree(self._folder, ignore_errors=True)

        threading.Thread(target=run, name=kind, daemon=True).start()

    def _perform(self, name: str, stop: threading.Event) -> None:
        person = self.stage.person
        if name == OWN:
            sound = self._sound_of(capture_sound(person), len(person) / person.fps)
            self._begin(own_performance(person, sound), stop)
            return
        path = self._files[name]
        if path.suffix.lower() in MOTION_SUFFIXES:
            read = self._new_file(".npz")
            decode_apart("motion", path, read, self.stage.most_seconds)
            sequence = LandmarkSequence.load(read)
            self._begin(sequence_performance(name, sequence, person, self._sound_of(None, sequence.duration)), stop)
            return
        sound = self._sound_of(path, 0.0)
        self._progress(0.0)
        self._say("getting the voice ready; the first time it is fitted to the person, which takes a minute or two")
        voice = self.stage.voice()
        self._say("")
        self._front.speaks_with(voice)
        delivery = self._front.delivery
        face = motion_of_speech(
            *(sound.path, delivery.of(voice), person, delivery.seed, delivery.temperature), post=delivery.post
        )
        prosody = prosody_of(sound.path, person.fps)
        moves = head_motion(person, self.stage.own_prosody, prosody, delivery.seed, 1.0)
        performance, motion = speech_performance(name, person, sound, moves, face)

        def arrived() -> None:
            if len(performance.frames) == 1:
                self._begin(performance, stop)
            self._progress(len(performance.frames) / performance.total)
            self.player.wake()

        performance.fill(motion, stop, arrived)

    def _begin(self, performance: Performance, stop: threading.Event) -> None:
        with self._lock:
            if stop.is_set() or self._ended.is_set():
                return
            before, self.performance = self.performance, performance
        self._say("")
        self.browser.load(performance)
        if before is not None:
            before.sound.path.unlink(missing_ok=True)
        self.player.show(performance)
        self._front.performs(performance)

    def _sound_of(self, path: Path | None, seconds: float) -> PlayedSound:
        """A file's sound as the page plays it, or silence of that length."""
        output = self._new_file(".wav")
        if path is None:
            return silence(output, seconds)
        decode_apart("sound", path, output, self.stage.most_seconds)
        return load_played(output)

    def _new_file(self, suffix: str) -> Path:
        with self._lock:
            self._count += 1
            return self._folder / f"read-{self._count}{suffix}"
