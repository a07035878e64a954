"""`geneface process`: a talking video in, a capture directory out, stage by stage."""

from __future__ import annotations

import os
import shutil
import time
import wave
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from audio_motion.errors import InputError
from audio_motion.files import held_alone, spare_inputs
from audio_motion.media import audio_info
from audio_motion.progress import frame_bar
from audio_motion.sequence import Sound, identity_of
from audio_motion.tracking import Track
from geneface_ns.capture import checks, report, report_picture, stages, transforms
from geneface_ns.capture.crop import Crop, choose_crop
from geneface_ns.capture.defects import summary
from geneface_ns.capture.extract import extract
from geneface_ns.capture.options import CaptureOptions
from geneface_ns.capture.scan import scan
from geneface_ns.capture.sound import span_sound, write_wav
from geneface_ns.capture.source import Source, open_source
from geneface_ns.capture.state import State, nothing_left_of_refused, open_state
from geneface_ns.capture.sync import sound_lag
from geneface_ns.capture_format.layout import Layout
from geneface_ns.capture_format.origin import Origin


def process(config: CaptureOptions, console: Console | None = None) -> None:
    """Write the capture directory `config.output` (docs/conventions.md), going on where an earlier run was stopped.

    `transforms.json` appears last of all: a directory without it is not yet a capture, one with it is finished. A video
    that is refused leaves nothing behind.

    Raises:
        InputError: the video, its sound or the target cannot be used, or another process is writing there.
    """
    console = console or Console(stderr=True)
    layout = Layout(config.output)
    spare_inputs(layout.root, (config.video,))
    source = open_source(config)
    check_writable(layout.root)
    with held_alone(layout.root, "geneface process"):
        state = open_state(config, layout)
        if state.done("finish"):
            _publish(layout)
            console.print(f"{layout.root} is finished; nothing to do")
            return
        _process(config, console, layout, source, state)


def _process(config: CaptureOptions, console: Console, layout: Layout, source: Source, state: State) -> None:
    run = _Run(config, layout, state, console)
    if not state.done("sound"):  # nothing is written before the video is known to be usable
        with frame_bar(console, "look for faces", source.count) as advance:
            seen = scan(source, advance)
        crop = choose_crop(seen.boxes, *seen.size, config.size)
        length = seen.frames / source.fps
        span = (config.video, source.start, length, config.sound_delay, config.tracks)
        deque(span_sound(*span), maxlen=0)  # what cannot be used is refused before anything is written
        state.save()  # first of all: it says whose the other files are
        write_wav(layout.audio, span_sound(*span), audio_info(config.video, config.tracks).sample_rate)
        first = {"frames": seen.frames, "crop": asdict(crop), "source_size": list(seen.size), "combed": seen.combed}
        run.timed("sound", lambda: first)
    known = state.stages["sound"]
    count, crop = int(known["frames"]), Crop(**known["crop"])
    size = (crop.out_width, crop.out_height)

    def extracting(advance: Callable[[], None]) -> None:
        from audio_motion.tracking import make_detector

        extract(source, crop, layout, lambda: make_detector(config.detector), advance, count)

    run.stage("extract", "read, detect, segment", count, extracting)
    run.stage("track", "track the head", None, lambda _: _track(layout, size, source))
    tracked = stages.load_track(layout)
    points, valid = tracked.points2d.astype(np.float64), tracked.valid
    run.stage("body", "track the body", count, lambda advance: stages.body(layout, points, valid, size, advance))
    run.stage(
        "masks", "head and torso", count, lambda advance: stages.label_frames(layout, points, valid, size, advance)
    )
    if config.align:
        run.stage("align", "align to the picture", count, lambda advance: _align(layout, count, advance))
        tracked = stages.load_track(layout, "aligned")
    run.stage(
        "background",
        "background",
        stages.background_frames(valid, size),
        lambda advance: {"never_seen": stages.clean_background(layout, valid, advance)},
    )
    run.stage("torso", "torso layer", count, lambda advance: stages.torso_layers(layout, points, valid, size, advance))
    run.stage("finish", "report", None, lambda _: _finish(config, layout, state, tracked, source, size))
    _publish(layout)
    run.summary(count)


class _Run:
    """Runs stages that are not done, with a bar, and notes the seconds they took."""

    def __init__(self, config: CaptureOptions, layout: Layout, state: State, console: Console) -> None:
        self.config, self.layout, self.state, self.console = config, layout, state, console
        self.began = time.monotonic()

    def timed(self, name: str, work: Callable[[], dict | None]) -> None:
        begin = time.monotonic()
        result = work() or {}
        self.state.mark(name, **result, seconds=round(time.monotonic() - begin, 2))

    def stage(
        self, name: str, title: str, total: int | None, work: Callable[[Callable[[], None]], dict | None]
    ) -> None:
        if self.state.done(name):
            return
        with frame_bar(self.console, title, total) as advance:
            self.timed(name, lambda: work(advance))

    def summary(self, count: int) -> None:
        took = time.monotonic() - self.began
        parts = ", ".join(f"{name} {stage['seconds']:.0f} s" for name, stage in self.state.stages.items())
        self._say(f"{count} frames in {took:.0f} s ({count / took:.1f} frames/s): {parts}")
        for line in report.read_advice(self.layout.report):
            self._say(f"advice: {line}")
        self._say(f"look at {self.layout.report_picture}")

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def check_writable(root: Path) -> None:
    """Raises InputError unless `root`, or the nearest folder above it that exists, can be written to."""
    if root.exists() and not root.is_dir():
        raise InputError(f"{root}: is a file; choose a folder to write the capture to")
    nearest = root.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {root}: {nearest} does not allow it; choose a folder you may write to")


def _publish(layout: Layout) -> None:
    """Remove what only processing needed, then let transforms.json appear."""
    for path in layout.work.iterdir():
        if path not in (layout.state, layout.pending):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if layout.pending.exists():
        layout.pending.replace(layout.transforms)


def _track(layout: Layout, size: tuple[int, int], source: Source) -> dict:
    with nothing_left_of_refused(layout):
        found = stages.notice(layout, source.fps)
        checks.check_seen(found, source)
        tracked = stages.track(layout, found.useless, size, source.fps, str(source.path))
        checks.check_track(tracked, source)
    stages.save_track(layout, tracked)
    return {"noticed": summary(found, source.fps)}


def _align(layout: Layout, count: int, advance: Callable[[], None]) -> None:
    from audio_motion.tracking.align import align_to_picture

    after = align_to_picture(
        stages.load_track(layout),
        lambda: stages.pictures(layout, count),
        lambda: stages.head_masks(layout, count),
        advance,
    )
    stages.save_track(layout, after, "aligned")


def _finish(
    config: CaptureOptions, layout: Layout, state: State, tracked: Track, source: Source, size: tuple[int, int]
) -> None:
    motion = stages.load_arrays(layout.work / "body.npz")
    person = config.person or config.video.stem
    with wave.open(str(layout.audio)) as file:
        sound = Sound.of(layout.audio, file.getframerate())
    sequence = tracked.sequence(person, config.detector)
    identity = identity_of(sequence.landmarks, sequence.eye_openness)
    replace(sequence, sound=sound, identity=identity).save(layout.landmarks)
    box = stages.head_box(layout, tracked)
    known = state.stages["sound"]
    contents = report.build(
        person=person,
        source=source,
        size=size,
        crop=known["crop"],
        source_size=known["source_size"],
        track=tracked,
        noticed={**state.stages["track"]["noticed"], "combed": known["combed"]},
        correlation=motion["correlation"],
        never_seen=float(state.stages["background"]["never_seen"]),
        lag=sound_lag(layout.audio, sequence),
        delay=config.sound_delay,
        seconds={name: stage["seconds"] for name, stage in state.stages.items()},
    )
    report.write(layout.report, contents)
    report_picture.draw(layout, contents, tracked, motion["affine"])
    camera = (tracked.fl, tracked.cx, tracked.cy)
    transforms.write(
        layout.pending,
        transforms.build(
            person,
            source.fps,
            size,
            camera,
            tracked.c2w,
            tracked.points2d,
            motion["affine"],
            tracked.valid,
            box,
            int(motion["reference"]),
            origin_of(source, Crop(**known["crop"]), known["source_size"]),
        ),
    )


def origin_of(source: Source, crop: Crop, size: list[int]) -> Origin:
    """What of the video the capture is; size is that of its pictures, turned: width and height."""
    return Origin(
        video=source.path.name,
        width=size[0],
        height=size[1],
        seconds=source.info.duration,
        start=source.start,
        turn=source.turn,
        deinterlace=source.config.deinterlace,
        picture_track=source.config.picture_track,
        crop=(crop.x, crop.y, crop.width, crop.height),
    )
