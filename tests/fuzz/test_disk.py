"""What a disk can do to a command, while it reads and while it writes: one line, exit code 2, nothing half-written, and
what stood there before is kept.

Root may read and write everything: for it the commands run as nobody.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from audio_motion.cli import main as audio_motion
from geneface_ns.commands.cli import main as geneface
from tests.forked import Ended, Forked, fault
from tests.fuzz.cases import evaluate_speech, predict, process, render, track, train

Words = Callable[[Path, Path], tuple[object, ...]]
"""The folder with what is read and the one to write to, to a command line."""
NOBODY = 65534 if os.geteuid() == 0 else None


def evaluate_head(given: Path, out: Path) -> tuple[object, ...]:
    return (
        *("geneface", "evaluate", "--load-config", given / "run", "--data", given / "anna", "--output", out / "a"),
        *("--generator", given / "generator.safetensors", "--device", "cpu"),
    )


def training(kind: str, given: Path, out: Path, *more: object) -> tuple[object, ...]:
    return (
        *("audio-motion", "train", kind, given / "motion.npz", "--output", out / "a.safetensors", "--steps", 1),
        *more,
    )


def postnet(given: Path, out: Path) -> tuple[object, ...]:
    generator, expert = given / "generator.safetensors", given / "expert.safetensors"
    return training("postnet", given, out, "--generator", generator, "--expert", expert)


def say(given: Path, out: Path) -> tuple[object, ...]:
    sounds = ("--audio", given / "speech.wav", "--generator", given / "generator.safetensors")
    return render(given, out, *sounds, "--data", given / "anna")


WRITERS: dict[str, tuple[Words, str]] = {
    "predict": (lambda given, out: predict(given, given / "speech.wav", out), "a.npz"),
    "track": (lambda given, out: track(given, given / "clip.mp4", out), "a.npz"),
    "train syncnet": (lambda given, out: training("syncnet", given, out), "a.safetensors"),
    "train generator": (lambda given, out: training("generator", given, out), "a.safetensors"),
    "train postnet": (postnet, "a.safetensors"),
    "evaluate": (lambda given, out: evaluate_speech(given, given / "speech.wav", out), "a/evaluation.json"),
    "corpus": (lambda given, out: ("audio-motion", "corpus", given / "videos", out / "made"), "made/corpus.json"),
    "process": (
        lambda given, out: ("geneface", "process", given / "clip.mp4", out / "begun", "--no-align"),
        "begun/images/00000.png",
    ),
    "render": (say, "a.mp4"),
    "export": (
        lambda given, out: ("geneface", "export", given / "run", out / "a.gface", "--data", given / "anna"),
        "a.gface",
    ),
    "evaluate a head": (evaluate_head, "a/side_by_side.mp4"),
    "demo": (lambda given, out: ("geneface", "demo", "--output-dir", out / "a"), "a/clip.mp4"),
}
"""Each command, and a file that it writes."""


@pytest.fixture
def place(originals: Path) -> Iterator[Path]:
    """An empty folder that everybody may look into."""
    with tempfile.TemporaryDirectory(prefix="disk-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def begun(originals: Path, out: Path, product: str) -> dict[Path, bytes]:
    """Put there what an earlier run has left, as far as the command goes on with it, and an older product: path to
    contents of all that must stay."""
    for name in ("made", "begun"):
        if product.startswith(name):
            shutil.copytree(originals / name, out / name)
    (out / product).parent.mkdir(parents=True, exist_ok=True)
    if not product.startswith(("begun", "a/clip")):
        (out / product).write_bytes(b"what stood there before")
    return contents(out)


def contents(folder: Path) -> dict[Path, bytes]:
    """Logs grow as long as there is room; a lock has nothing in it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files if ".logs/" not in str(path) and path.name != ".lock"}


def refused(ended: Ended, *words: str) -> None:
    """Check that it ended with code 2 and one line, with one of these words in it."""
    assert fault(ended) is None, ended.said
    assert ended.code == 2, ended.said
    assert any(word in ended.said.splitlines()[-1] for word in words), ended.said


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk(originals: Path, commands: Forked, place: Path, name: str) -> None:
    words, product = WRITERS[name]
    before = begun(originals, place, product)
    refused(commands.run(place, *words(originals, place), file_size=100), "File too large")
    assert contents(place) == before


@pytest.mark.parametrize("name", WRITERS)
def test_no_permission_to_write(originals: Path, commands: Forked, place: Path, name: str) -> None:
    words, product = WRITERS[name]
    before = begun(originals, place, product)
    folders = [path for path in (place, *place.rglob("*")) if path.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    ended = commands.run(place, *words(originals, place), user=NOBODY)
    for folder in folders:
        folder.chmod(0o755)
    refused(ended, "Permission denied", "does not allow it")
    assert contents(place) == before


@pytest.mark.parametrize("name", sorted(WRITERS.keys() - {"process", "demo"}))
def test_a_folder_where_a_file_is_to_be_written(originals: Path, commands: Forked, place: Path, name: str) -> None:
    words, product = WRITERS[name]
    begun(originals, place, product)
    (place / product).unlink()
    (place / product / "inside").mkdir(parents=True)
    before = contents(place)
    refused(commands.run(place, *words(originals, place)), "is a folder; give the name of a file")
    assert contents(place).items() >= before.items()
    assert not [path for path in place.rglob(".*-*") if path.is_file()]


READ: dict[str, tuple[tuple[str, ...], Words]] = {
    "predict": (("speech.wav", "generator.safetensors"), WRITERS["predict"][0]),
    "predict, post-net": (
        ("postnet.safetensors",),
        lambda given, out: (*predict(given, given / "speech.wav", out), "--postnet", given / "postnet.safetensors"),
    ),
    "track": (("clip.mp4",), WRITERS["track"][0]),
    "process": (("clip.mp4",), lambda given, out: process(given, given / "clip.mp4", out)),
    "train": (("motion.npz", "motion.wav"), WRITERS["train generator"][0]),
    "train on a capture": (
        ("anna/transforms.json", "anna/landmarks.npz", "anna/audio.wav"),
        lambda given, out: train(given, given / "anna", out),
    ),
    "train on a corpus": (
        ("corpus/corpus.json", "corpus/shard-00000.safetensors"),
        lambda given, out: train(given, given / "corpus", out),
    ),
    "train postnet": (("generator.safetensors", "expert.safetensors"), postnet),
    "evaluate": (("speech.wav",), WRITERS["evaluate"][0]),
    "corpus": (
        ("speakers.csv", "videos"),
        lambda given, out: (
            *("audio-motion", "corpus", given / "videos", out / "made"),
            *("--speaker-table", given / "speakers.csv"),
        ),
    ),
    "render": (
        ("run/config.yml", "run/nerfstudio_models/step-000000009.ckpt"),
        lambda given, out: render(
            given, out, "--load-config", given / "run" / "config.yml", "--motion", given / "five.npz"
        ),
    ),
    "render speech": (("speech.wav", "generator.safetensors", "anna/transforms.json", "anna/landmarks.npz"), say),
    "render motion": (
        ("five.npz", "path.json"),
        lambda given, out: render(given, out, "--motion", given / "five.npz", "--camera-path", given / "path.json"),
    ),
    "render a person file": (
        ("anna.gface",),
        lambda given, out: render(given, out, "--load-config", given / "anna.gface", "--motion", given / "five.npz"),
    ),
    "evaluate a head": (("anna/background.png", "anna/masks/00023.png", "anna/audio.wav"), evaluate_head),
}
"""Each command, and files that it reads."""


def folder_instead(path: Path) -> None:
    path.mkdir()


def loop_instead(path: Path) -> None:
    path.symlink_to(path)


def pipe_instead(path: Path) -> None:
    os.mkfifo(path)


def unreadable_instead(path: Path) -> None:
    path.touch(0o000)


TROUBLES = (folder_instead, loop_instead, pipe_instead, unreadable_instead)


@pytest.mark.parametrize("name", READ)
def test_what_cannot_be_read(originals: Path, commands: Forked, place: Path, name: str) -> None:
    files, words = READ[name]
    for file in files:
        for trouble in TROUBLES:
            if file == "videos" and trouble is folder_instead:
                continue  # it is one
            given, out = place / trouble.__name__ / file.replace("/", " "), place / "out"
            linked(originals, given, file)
            trouble(given / file)
            out.mkdir(mode=0o777)
            out.chmod(0o777)
            ended = commands.run(place, *words(given, out), user=NOBODY if trouble is unreadable_instead else None)
            refused(ended, Path(file).name, str(given))
            assert contents(out) == {}, (file, trouble)
            shutil.rmtree(out)


CHANGED: dict[str, tuple[str, Words]] = {
    "predict": ("clip.mp4", lambda given, out: predict(given, given / "clip.mp4", out)),
    "track": ("clip.mp4", WRITERS["track"][0]),
    "process": ("clip.mp4", READ["process"][1]),
    "render": ("speech.wav", say),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_file_that_changes_while_it_is_read(originals: Path, commands: Forked, place: Path, name: str) -> None:
    file, words = CHANGED[name]
    given = place / "given"
    for number in range(1, 6):
        linked(originals, given, file)
        shutil.copy(originals / file, given / file)
        (place / "out").mkdir()
        line = words(given, place / "out")
        ended = commands.run(place, "tests.fuzz.test_disk:shortened", given / file, number, *line)
        assert fault(ended) is None, f"{number}: {ended.said}"
        assert ended.code == 0 or contents(place / "out") == {}, number
        shutil.rmtree(given)
        shutil.rmtree(place / "out")


def shortened(path: str, number: str, *words: str) -> None:
    """Run a command; the file loses its second half when media are opened for the time of that number."""
    opening, opened = av.open, 0

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal opened
        opened += 1
        if opened == int(number):
            os.truncate(path, os.path.getsize(path) // 2)
        return opening(*arguments, **options)

    av.open = counted  # type: ignore[assignment]
    sys.argv = list(words)
    main = audio_motion if words[0] == "audio-motion" else geneface
    main()


def linked(originals: Path, given: Path, without: str) -> None:
    """Links to all originals but one."""
    given.mkdir(parents=True)
    for path in originals.iterdir():
        if path.is_dir() and without.startswith(f"{path.name}/"):
            shutil.copytree(path, given / path.name, copy_function=os.symlink)
        else:
            (given / path.name).symlink_to(path)
    (given / without).unlink()
