"""`geneface talk`: process, train, fit, render, each by its own command, going on where an earlier run was stopped."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from audio_motion.errors import InputError
from audio_motion.files import held_alone, need_output, spare_inputs
from audio_motion.media import VideoInfo, audio_info, probe, sound_seconds
from audio_motion.parallel import Died, cores, each
from geneface_ns.capture.report import read_advice
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.capture_format.person import is_person_file
from geneface_ns.output.finished import Finished, facts_of
from geneface_ns.output.pieces import SECONDS, pieces_folder
from geneface_ns.output.provenance import REPLAYED
from geneface_ns.output.video import codecs_for
from geneface_ns.talk import estimate
from geneface_ns.talk.command import run
from geneface_ns.talk.display import Whole
from geneface_ns.talk.options import TalkOptions
from geneface_ns.talk.sent import let_say
from geneface_ns.talk.speed import speed_of
from geneface_ns.talk.work import EXPERIMENT, TIMESTAMP, Decided, Work, decide, iterations_in, kept
from geneface_ns.trained.checkpoint import FOLDER, checkpoints, choose_device
from geneface_ns.trained.methods import METHODS

SAVE_SECONDS = 30.0
"""Of training that a kill loses at most."""
PROCESS, MEASURE, TRAIN, RENDER = "process the video", "measure the speed", "train the head", "fit and render"
GENEFACE = "geneface_ns.commands.cli"


@dataclass
class _Job:
    """One run of the command."""

    options: TalkOptions
    work: Work
    decided: Decided
    info: VideoInfo
    seconds: float
    """Of the speech."""

    def steps(self) -> int:
        """Of the training that are done."""
        return self.work.steps(self.decided.method)

    @property
    def run(self) -> Path:
        """Of the training."""
        return self.work.run(self.decided.method)

    def usual_minutes(self) -> float:
        """Of training."""
        return estimate.usual_minutes(*self.size(), self.decided.method)

    def size(self) -> tuple[int, int]:
        """Width and height of the capture, as far as they are known."""
        if self.work.capture.transforms.is_file():
            capture = load_capture(self.work.capture.root)
            return capture.width, capture.height
        longer = self.decided.size or min(estimate.MOST, max(self.info.width, self.info.height))
        return longer, longer


def talk(options: TalkOptions, console: Console | None = None) -> None:
    """Make the video that is asked for, with one display of all that is left to do.

    Raises:
        InputError: the files or options cannot be used, or a step was refused: then the message is that step's own.
        KeyboardInterrupt: stopped by the user; the same command goes on.
    """
    console = console or Console(stderr=True)
    if is_person_file(options.video):
        let_say(options, console)
        return
    info, seconds = _checked(options)
    work, result = Work(options.folder), options.result
    with held_alone(work.root, "geneface talk"):
        before = work.decided
        decided = decide(options, before)
        job = _Job(options, work, decided, info, seconds)
        if before is not None and (before.video, before.size) != (decided.video, decided.size):
            work.capture.transforms.unlink(missing_ok=True)  # no longer the capture that is wanted, whatever comes
        work.save(decided)
        _say(console, f"works in {work.root}/")
        todo = _todo(job)
        if before is not None:
            _say(console, kept(before, decided, None if PROCESS in todo else job.steps()))
        whole = Whole(todo, console)
        with whole.shown():
            for name, step in ((PROCESS, _process), (MEASURE, _measure), (TRAIN, _train)):
                if name in todo:
                    step(job, whole)
            videos, key = Finished(work.videos), _key(job)
            if videos.holds(result, key):
                whole.say(f"{result} was made before")
                return
            _render(job, whole)
            videos.note(result, key)
        said = f"; {REPLAYED}" if options.replay else ""
    _say(console, f"{result}: {seconds:.2f} s{said}; another speech for the same video starts at rendering")


def _checked(options: TalkOptions) -> tuple[VideoInfo, float]:
    """What the video is, and the seconds of the speech. Raises InputError where something cannot be used."""
    codecs_for(options.result)
    for name, value in (("--minutes", options.minutes), ("--iterations", options.iterations), ("--size", options.size)):
        if value is not None and not 0 < value < float("inf"):
            raise InputError(f"{name} {value:g}: more than nothing is needed")
    if options.minutes is not None and options.iterations is not None:
        raise InputError("--minutes and --iterations say the same in two ways; give one")
    info = probe(options.video)
    if not info.has_audio:
        raise InputError(f"{options.video}: has no sound track; give a video whose speech can be heard")
    audio_info(options.speech)
    need_output(options.result, (options.video, options.speech))
    spare_inputs(options.folder, (options.video, options.speech))
    return info, sound_seconds(options.speech)


def _todo(job: _Job) -> dict[str, float]:
    """The stages that are not done, each with an estimate of its seconds."""
    work, decided, size = job.work, job.decided, job.size()
    step = decided.step or 0.0
    training = (decided.iterations or 0) * step or 60 * (decided.minutes or job.usual_minutes())
    todo = {}
    if not work.capture.transforms.is_file():
        todo[PROCESS] = estimate.processing(job.info.frames, *size)
    if decided.iterations is None:
        todo[MEASURE] = 2 * estimate.START
    if PROCESS in todo or decided.iterations is None or job.steps() < decided.iterations:
        todo[TRAIN] = estimate.START + training
    todo[RENDER] = estimate.FIT + estimate.rendering(job.seconds * job.info.fps, *size)
    return todo


def _process(job: _Job, whole: Whole) -> None:
    size = [] if job.decided.size is None else ["--size", job.decided.size]
    with whole.stage(PROCESS) as tick:
        words = ("process", job.options.video, job.work.capture.root, "--overwrite", *size)
        try:
            run(GENEFACE, *words, log=job.work.log, tick=lambda _: tick(None))
        except InputError:
            job.work.forget()
            raise
    for line in read_advice(job.work.capture.report):
        whole.say(f"advice: {line}")
    whole.say(f"look at {job.work.capture.report_picture}")


def _measure(job: _Job, whole: Whole) -> None:
    """Find out how many steps the minutes suffice for."""
    with whole.stage(MEASURE):
        ((_, speed),) = each(partial(speed_of, method=job.decided.method), [job.work.capture.root], 1, None, cores())
    if isinstance(speed, InputError):
        raise speed
    if isinstance(speed, Died):
        raise InputError(f"the training's speed cannot be measured ({speed.reason}); give --iterations")
    minutes = job.decided.minutes or job.usual_minutes()
    steps = iterations_in(minutes, speed)
    job.decided = replace(job.decided, iterations=steps, step=speed)
    job.work.save(job.decided)
    whole.say(f"{steps} steps in {minutes:.1f} minutes")


def _train(job: _Job, whole: Whole) -> None:
    work, method, steps = job.work, job.decided.method, job.decided.iterations
    assert steps is not None
    job.steps()  # a head of an earlier capture goes
    step = job.decided.step or 0.1
    words: tuple[object, ...] = (method, "--data", work.capture.root, "--output-dir", work.outputs)
    words += ("--experiment-name", EXPERIMENT, "--timestamp", TIMESTAMP, "--vis", "tensorboard")
    words += ("--machine.device-type", choose_device("auto", METHODS[method]).type, "--max-num-iterations", steps)
    words += ("--steps-per-save", max(50, min(1000, round(SAVE_SECONDS / step))), "--steps-per-eval-image", 0)

    def part(said: str) -> float | None:
        found = re.findall(r"(\d+) \(\d+\.\d+%\)", said)
        return int(found[-1]) / steps if found else None

    with whole.stage(TRAIN) as tick:
        run(Path(sys.executable).with_name("ns-train"), *words, log=work.log, tick=lambda said: tick(part(said)))


def _render(job: _Job, whole: Whole) -> None:
    options, pieces = job.options, pieces_folder(job.options.result)
    words: tuple[object, ...] = ("render", job.run, options.speech, options.result)
    words += ("--data", job.work.capture.root, "--generator", options.generator)
    words += ("--seed", options.seed, "--temperature", options.temperature)
    words += ("--replay",) if options.replay else ()

    def part(said: str) -> float:
        return len(list(pieces.glob("[0-9]*"))) * SECONDS / job.seconds

    with whole.stage(RENDER) as tick:
        run(GENEFACE, *words, log=job.work.log, tick=lambda said: tick(part(said)))


def _key(job: _Job) -> str:
    """Of all that decides the video."""
    options = job.options
    newest = checkpoints(job.run / FOLDER)[0]
    facts = [facts_of(newest), facts_of(options.speech), options.generator, options.seed, options.temperature]
    facts += [options.replay]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
