"""A folder of speeches becomes a folder of videos, on all cores or a cluster, going on where it was stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from rich.console import Console

from audio_motion.errors import InputError
from audio_motion.files import held_alone, is_full, need_place
from audio_motion.parallel import Died, Outcome, cores, each, follow
from geneface_ns.motion.voice import BY_NAME
from geneface_ns.output.finished import Finished
from geneface_ns.output.options import RenderOptions
from geneface_ns.output.performer import Performer
from geneface_ns.output.request import Request, Script, script_of
from geneface_ns.trained.checkpoint import choose_device
from geneface_ns.trained.runs import Source

_SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".opus", ".wma", ".aiff", ".aif")
_VIDEOS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".flv", ".ts", ".wmv", ".3gp")
SPEECH = _SOUNDS + _VIDEOS
"""Suffixes of the files in a folder that are taken for speech."""
DONE = ".renders.json"
"""In the folder of videos: the key, size and time of each that is finished."""


@dataclass(frozen=True)
class Task:
    """One video of many; paths are absolute."""

    source: Source
    options: RenderOptions
    request: Request


def render_folder(
    source: Source,
    options: RenderOptions,
    speeches: Path,
    output: Path,
    suffix: str,
    workers: int | None,
    address: str | None,
    console: Console | None = None,
) -> None:
    """Let a trained head say every speech in a folder. Finished videos of the same head, speech and options stay.

    Args:
        source: the trained head.
        speeches: folder of sound and video files; folders in it and hidden files are passed over.
        output: folder of the videos, one of each speech's name.
        suffix: of the videos.
        workers, address: see `audio_motion.parallel.each`.

    Raises:
        InputError: the folders or options cannot be used, the disk is full, or no speech at all can be rendered.
        KeyboardInterrupt: stopped by the user; what was finished stays.
    """
    console = console or Console(stderr=True)
    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers}: at least one is needed")
    if address is not None and options.device == "cuda":
        raise InputError("--ray-address works on the cluster's cores; leave --device cuda out")
    videos = _videos(speeches, output, suffix)
    if output.exists() and output.samefile(speeches):
        raise InputError(f"{output}: is the folder of the speeches; choose another one for the videos")
    for path in (output / DONE, *videos):
        need_place(path)
    with held_alone(output, "geneface render"):
        done = Finished(output / DONE)
        # The voice is fitted here, once: workers find it.
        local = Performer(source, replace(options, device="cpu"))
        keys = {
            video: local.key(Request(video, speech), Script(None, speech, None)) for video, speech in videos.items()
        }
        todo = [video for video in videos if not done.holds(video, keys[video])]
        if len(todo) < len(videos):
            console.print(f"{len(videos) - len(todo)} of {len(videos)} videos were done before", highlight=False)
        if not todo:
            return
        if address is not None:
            options = replace(options, device="cpu")
        elif workers is None:
            on_cuda = choose_device(options.device).type == "cuda"
            workers = 1 if on_cuda else min(cores(), len(todo))
        # Workers of a cluster have a current folder of their own.
        where = Source(source.path.absolute(), source.data and source.data.absolute())
        options = replace(
            options,
            camera_path=options.camera_path and options.camera_path.absolute(),
            generator=options.generator if options.generator in BY_NAME else str(Path(options.generator).absolute()),
        )
        tasks = [Task(where, options, Request(video.absolute(), videos[video].absolute())) for video in todo]

        def outcomes() -> Generator[Outcome, None, None]:
            threads = max(1, cores() // workers) if workers else 1
            with closing(each(render_in_a_worker, tasks, workers, address, threads)) as found:
                for task, outcome in found:
                    name = task.request.audio.name if task.request.audio else ""
                    if isinstance(outcome, Died):
                        outcome = Outcome(name, "failed", reason=outcome.reason)
                    if outcome.end == "done":
                        video = output / task.request.output.name
                        done.note(video, keys[video])
                    yield outcome

        undone = follow(outcomes(), len(todo), "videos", console)
    for outcome in undone:
        console.print(f"not rendered: {outcome.name}: {outcome.reason}", highlight=False, markup=False, soft_wrap=True)
    if len(undone) == len(videos):
        raise InputError(f"{speeches}: none of its files could be rendered; see above why")
    made = f"{output}: {len(videos) - len(undone)} videos{options.look.said}"
    console.print(made, highlight=False, markup=False, soft_wrap=True)


def render_in_a_worker(task: Task) -> Outcome:
    """Make one video."""
    name = task.request.audio.name if task.request.audio else task.request.output.name
    try:
        script = script_of(task.request, task.options, task.source.path)
        performer = _performer(task.source, task.options)
        frames = performer.perform(task.request, script)
    except InputError as error:
        return Outcome(name, "unwritten" if is_full(error) else "refused", reason=str(error))
    except Exception as error:  # one speech must not stop the others
        return Outcome(name, "failed", reason=f"{type(error).__name__}: {error}")
    return Outcome(name, "done", seconds=frames / performer.person.fps)


@lru_cache(maxsize=1)
def _performer(source: Source, options: RenderOptions) -> Performer:
    """Loaded once in a worker."""
    return Performer(source, options)


def _videos(speeches: Path, output: Path, suffix: str) -> dict[Path, Path]:
    """The videos to make, each with its speech, sorted by name. Speeches of one name keep their suffixes."""
    try:
        names = sorted(path for path in speeches.iterdir() if path.suffix.lower() in SPEECH and path.is_file())
    except OSError as error:
        raise InputError(f"{speeches}: {error.strerror}; give a folder of speeches that may be read") from error
    found = [path for path in names if not path.name.startswith(".")]
    if not found:
        raise InputError(f"{speeches}: holds no sound and no video; give a folder of speeches")
    stems = Counter(path.stem for path in found)
    return {output / f"{path.stem if stems[path.stem] == 1 else path.name}{suffix}": path for path in found}
