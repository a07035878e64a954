"""A case of the fuzzer from its seed and number: one damaged file, and a command that reads it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.forked import Ended, Forked, fault
from tests.fuzz import arrays, blocks, containers, texts, weights
from tests.fuzz.blocks import Damage, Rng

Words = Callable[[Path, Path, Path], tuple[object, ...]]
"""The originals' folder, the damaged file and the folder to write to, to a command line."""


@dataclass(frozen=True)
class Subject:
    """A kind of file, and who reads it."""

    share: float
    """How much of all cases it is."""
    files: tuple[str, ...]
    """Of the originals; one in a folder is damaged there, among links to what else lies in it."""
    damage: Callable[[str], Damage]
    """By the file's name."""
    readers: tuple[Words, ...]


def media(name: str) -> Damage:
    form = Path(name).suffix[1:]

    def damage(data: bytes, rng: Rng) -> bytes:
        if rng.random() < 0.7:
            return containers.damaged(data, form, rng)
        return blocks.damaged(data, rng)

    return damage


def predict(originals: Path, file: Path, out: Path) -> tuple[object, ...]:
    return ("audio-motion", "predict", file, out / "a.npz", "--generator", originals / "generator.safetensors")


def track(originals: Path, file: Path, out: Path) -> tuple[object, ...]:
    return ("audio-motion", "track", file, out / "a.npz")


def process(originals: Path, file: Path, out: Path) -> tuple[object, ...]:
    return ("geneface", "process", file, out / "a", "--no-align")


def clip_of_a_corpus(originals: Path, file: Path, out: Path) -> tuple[object, ...]:
    return ("tests.fuzz.cases:make_clip", file, out)


def train(originals: Path, file: Path, out: Path) -> tuple[object, ...]:
    return ("audio-motion", "train", "generator", file, "--output", out / "a.safetensors", "--steps", 1)


def train_on_its_folder(originals: Path, file: Path, out: Path) -> tuple[object, ...]:
    return train(originals, file.parent, out)


def evaluate_on(originals: Path, file: Path, out: Path) -> tuple[object, ...]:
    generator = originals / "generator.safetensors"
    return ("audio-motion", "evaluate", generator, "--on", file, "--split", "all", "--output", out / "a")


def evaluate_speech(originals: Path, file: Path, out: Path) -> tuple[object, ...]:
    generator = originals / "generator.safetensors"
    return ("audio-motion", "evaluate", generator, "--speech", file, "--output", out / "a")


def render(originals: Path, out: Path, *more: object) -> tuple[object, ...]:
    given = more if "--load-config" in more else ("--load-config", originals / "run", *more)
    given = given if "--audio" in more or "--motion" in more else (*given, "--motion", originals / "five.npz")
    return ("geneface", "render", *given, "--output", out / "a.mp4", "--device", "cpu")


def say(originals: Path, file: Path, out: Path) -> tuple[object, ...]:
    return render(originals, out, "--audio", file, "--generator", originals / "generator.safetensors")


def show_behind(originals: Path, file: Path, out: Path) -> tuple[object, ...]:
    return render(originals, out, "--background", file)


SOUND: tuple[Words, ...] = (predict, predict, say, evaluate_speech)
SUBJECTS = (
    Subject(
        0.32,
        tuple(f"clip.{form}" for form in ("mp4", "mp4", "mov", "mkv", "webm", "ts", "avi")),
        media,
        (predict, track, process, clip_of_a_corpus, say, show_behind),
    ),
    Subject(0.15, tuple(f"speech.{form}" for form in ("wav", "mp3", "m4a", "flac", "ogg")), media, SOUND),
    Subject(0.02, ("anna/audio.wav",), media, (train_on_its_folder,)),
    Subject(0.05, ("motion.npz",), lambda name: arrays.damaged, (train, evaluate_on)),
    Subject(0.08, ("five.npz",), lambda name: arrays.damaged, (lambda o, f, out: render(o, out, "--motion", f),)),
    Subject(
        0.04,
        ("anna/landmarks.npz",),
        lambda name: arrays.damaged,
        (train_on_its_folder, lambda o, f, out: render(o, out, "--data", f.parent)),
    ),
    Subject(
        0.06,
        ("generator.safetensors",),
        lambda name: weights.damaged_safetensors,
        (
            lambda o, f, out: ("audio-motion", "predict", o / "speech.wav", out / "a.npz", "--generator", f),
            lambda o, f, out: render(o, out, "--audio", o / "speech.wav", "--generator", f),
            lambda o, f, out: (
                *("audio-motion", "train", "postnet", o / "motion.npz", "--generator", f, "--steps", 1),
                *("--expert", o / "expert.safetensors", "--output", out / "a.safetensors"),
            ),
        ),
    ),
    Subject(
        0.03,
        ("postnet.safetensors",),
        lambda name: weights.damaged_safetensors,
        (lambda o, f, out: (*predict(o, o / "speech.wav", out), "--postnet", f),),
    ),
    Subject(
        0.03,
        ("expert.safetensors",),
        lambda name: weights.damaged_safetensors,
        (
            lambda o, f, out: (*evaluate_speech(o, o / "speech.wav", out), "--expert", f),
            lambda o, f, out: (*train(o, o / "motion.npz", out), "--expert", f),
        ),
    ),
    Subject(
        0.03, ("corpus/shard-00000.safetensors",), lambda name: weights.damaged_safetensors, (train_on_its_folder,)
    ),
    Subject(0.03, ("corpus/corpus.json",), lambda name: texts.damaged_json, (train_on_its_folder,)),
    Subject(
        0.05,
        ("path.json", "timed.json"),
        lambda name: texts.damaged_json,
        (lambda o, f, out: render(o, out, "--camera-path", f),),
    ),
    Subject(
        0.05,
        ("anna/transforms.json",),
        lambda name: texts.damaged_json,
        (
            train_on_its_folder,
            lambda o, f, out: render(o, out, "--camera-path", f),
            lambda o, f, out: render(o, out, "--data", f.parent),
        ),
    ),
    Subject(
        0.02,
        ("speech.json",),
        lambda name: texts.damaged_json,
        (lambda o, f, out: evaluate_speech(o, f.with_suffix(".wav"), out),),
    ),
    Subject(
        0.02,
        ("begun/.process/state.json",),
        lambda name: texts.damaged_json,
        (lambda o, f, out: ("geneface", "process", o / "clip.mp4", f.parent.parent, "--no-align"),),
    ),
    Subject(
        0.015,
        ("made/options.json", "made/work/*/*.json"),
        lambda name: texts.damaged_json,
        (lambda o, f, out: ("audio-motion", "corpus", o / "videos", f.parents[{"options.json": 0}.get(f.name, 2)]),),
    ),
    Subject(
        0.03,
        ("motion.csv",),
        lambda name: texts.damaged_text,
        (lambda o, f, out: render(o, out, "--motion", f),),
    ),
    Subject(
        0.015,
        ("speakers.csv",),
        lambda name: texts.damaged_text,
        (lambda o, f, out: ("audio-motion", "corpus", o / "videos", f.parent / "made", "--speaker-table", f),),
    ),
    Subject(
        0.04,
        ("run/nerfstudio_models/step-000000009.ckpt", "gaussians/nerfstudio_models/step-000000009.ckpt"),
        lambda name: weights.damaged_checkpoint,
        (lambda o, f, out: render(o, out, "--load-config", f.parent.parent),),
    ),
    Subject(
        0.06,
        ("anna.gface", "gaussians.gface"),
        lambda name: weights.damaged_safetensors,
        (
            lambda o, f, out: render(o, out, "--load-config", f),
            lambda o, f, out: render(
                *(o, out, "--load-config", f, "--audio", o / "speech.wav"),
                *("--generator", o / "generator.safetensors"),
            ),
        ),
    ),
    Subject(
        0.01,
        ("run/config.yml",),
        lambda name: texts.damaged_text,
        (lambda o, f, out: render(o, out, "--load-config", f),),
    ),
    Subject(
        0.015,
        tuple(f"anna/{name}.png" for name in ("background", "images/00023", "masks/00023", "torso/00023")),
        lambda name: blocks.damaged,
        (
            lambda o, f, out: (
                *("geneface", "evaluate", "--load-config", o / "run", "--output", out / "a", "--device", "cpu"),
                *("--generator", o / "generator.safetensors", "--data", next(p for p in f.parents if p.name == "anna")),
            ),
        ),
    ),
)


@dataclass(frozen=True)
class Case:
    """What is run."""

    file: Path
    words: tuple[object, ...]
    out: Path
    """What the command is to write goes in here."""


def make_case(originals: Path, place: Path, seed: int, number: int) -> Case:
    """Write the damaged file of a case, and what belongs beside it, into an empty folder."""
    rng = np.random.default_rng([seed, number])
    shares = np.array([subject.share for subject in SUBJECTS])
    subject = SUBJECTS[int(rng.choice(len(SUBJECTS), p=shares / shares.sum()))]
    pattern = subject.files[int(rng.integers(len(subject.files)))]
    original = next(originals.glob(pattern))
    name = original.relative_to(originals)
    damaged = subject.damage(pattern)(original.read_bytes(), rng)
    for _ in range(int(rng.random() < 0.1)):
        damaged = blocks.damaged(damaged, rng)
    file = place / name
    beside = name.parts[0] if len(name.parts) > 1 else f"{name.stem}.*"
    for other in {*originals.glob(beside), originals / "made"}:  # which a corpus's tables are read for
        _linked(other, place / other.name)
    file.unlink()
    file.write_bytes(damaged)
    out = place / "out"
    out.mkdir()
    words = subject.readers[int(rng.integers(len(subject.readers)))](originals, file, out)
    return Case(file, words, out)


def _linked(original: Path, place: Path) -> None:
    """A link to a file, or a folder of links to the files of another: what is written replaces the links."""
    if not original.is_dir():
        place.symlink_to(original)
        return
    shutil.copytree(original, place, copy_function=os.symlink)


def run_case(commands: Forked, originals: Path, place: Path, seed: int, number: int) -> tuple[Case, Ended, str | None]:
    """Run a case in an empty folder; what is wrong with how it ended, if anything."""
    case = make_case(originals, place, seed, number)
    ended = commands.run(place, *case.words)
    return case, ended, fault(ended) or _left(case, ended)


def _left(case: Case, ended: Ended) -> str | None:
    """What a command that failed has left behind; what one that ended well has not written."""
    there = sorted(path.relative_to(case.out).as_posix() for path in case.out.rglob("*") if path.is_file())
    hidden = [name for name in there if Path(name).name.startswith(".") and not name.startswith("a/.process")]
    if hidden:
        return f"left {hidden[0]}"
    written = [name for name in there if ".logs/" not in name]
    if ended.code == 2 and written:
        return f"failed, and left {written[0]}"
    if ended.code == 0 and case.out in {path.parent for path in map(Path, map(str, case.words))} and not written:
        return "ended well, and wrote nothing"
    return None


def make_clip(file: str, out: str) -> None:
    """What `audio-motion corpus` does with a video in each of its workers."""
    from audio_motion.corpus.clip import ClipWork
    from audio_motion.corpus.config import Gate
    from audio_motion.corpus.find import Source
    from audio_motion.corpus.work import work_on
    from audio_motion.sync import estimate_lag

    source = Source("clip", Path(file), None)
    gate = Gate(min_fps=1.0, min_face_width=1.0, min_rhythm=0.0, max_misfit=1.0)
    outcome = work_on(ClipWork(source, "0" * 32, gate, 0.5, estimate_lag), Path(out, "a"))
    assert outcome.end in ("done", "refused"), outcome.reason
