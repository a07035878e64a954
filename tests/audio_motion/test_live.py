"""Motion while the speech is said."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from audio_motion.cli import main
from audio_motion.errors import InputError
from audio_motion.live import live
from audio_motion.models.checkpoint import TrainedGenerator
from audio_motion.models.moment import LOOK_AHEAD
from audio_motion.postprocess import PostProcess
from audio_motion.predict import Generator, MotionChunk
from audio_motion.sequence import LandmarkSequence
from audio_motion.topology import mouth_opening
from tests.audio_motion.synthetic_speech import talk

STILL_EYES = PostProcess(blink=False)


def in_pieces(sound: np.ndarray, length: int) -> Iterator[np.ndarray]:
    return (sound[i : i + length] for i in range(0, len(sound), length))


def joined(chunks: Iterator[MotionChunk]) -> np.ndarray:
    parts = list(chunks)
    assert [part.first for part in parts] == np.cumsum([0] + [len(part.landmarks) for part in parts])[:-1].tolist()
    return np.concatenate([part.landmarks for part in parts])


def raw(sound: np.ndarray) -> bytes:
    return (np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()


def test_the_mouth_follows_speech_that_is_not_yet_over(trained: TrainedGenerator) -> None:
    sound, truth = talk(12.0, seed=77)
    generator = Generator(trained, STILL_EYES)
    made, true = mouth_opening(joined(live(generator, in_pieces(sound, 640)))), mouth_opening(truth.landmarks)
    assert np.corrcoef(made, true)[0, 1] > 0.65
    assert 0.6 < made.std() / true.std() < 1.4
    assert np.corrcoef(made, mouth_opening(joined(generator.stream([sound]))))[0, 1] > 0.9


@pytest.mark.parametrize(
    ("samples", "fps", "frames"), [(1, 25.0, 1), (640, 25.0, 1), (641, 25.0, 2), (33_000, 30.0, 62)]
)
def test_frames_do_not_depend_on_how_the_sound_comes(
    trained: TrainedGenerator, samples: int, fps: float, frames: int
) -> None:
    sound = talk(3.0, seed=5)[0][:samples]
    generator = Generator(trained)
    at_once, by_and_by = (joined(live(generator, in_pieces(sound, n), fps, seed=3)) for n in (10**6, 999))
    assert at_once.shape == (frames, 68, 3)
    if samples < 16_000:  # before a level can be told
        np.testing.assert_allclose(at_once, by_and_by, atol=1e-6)
    assert np.abs(at_once - by_and_by).max() < 1e-3


def test_a_frame_waits_for_its_look_ahead_and_for_nothing_else(trained: TrainedGenerator) -> None:
    sound, _ = talk(4.0, seed=5)
    generator, given = Generator(trained, STILL_EYES), 0

    def spoken() -> Iterator[np.ndarray]:
        nonlocal given
        for piece in in_pieces(sound, 320):
            given += len(piece)
            yield piece

    shown, waited = [], []
    for chunk in live(generator, spoken()):
        shown += list(chunk.landmarks)
        waited.append(given / 16_000 - chunk.first / 25)
    assert LOOK_AHEAD <= 0.1
    assert max(waited) <= LOOK_AHEAD + 1e-6
    # Whatever is said after that.
    other = np.concatenate([sound[:32_000], talk(2.0, seed=9)[0]])
    again = joined(live(generator, [other]))
    last = int((2.0 - LOOK_AHEAD) * 25)
    np.testing.assert_allclose(again[: last + 1], shown[: last + 1], atol=1e-5)
    assert np.abs(again[last + 2 :] - shown[last + 2 :]).max() > 1e-3


def test_speech_that_is_too_soft_is_brought_to_a_level_as_it_goes_on(trained: TrainedGenerator) -> None:
    sound, _ = talk(12.0, seed=77)
    generator = Generator(trained, STILL_EYES)
    usual, soft = (mouth_opening(joined(live(generator, in_pieces(g * sound, 4000))))[150:] for g in (1.0, 0.02))
    assert np.corrcoef(usual, soft)[0, 1] > 0.9
    assert 0.8 < soft.std() / usual.std() < 1.25


def test_silence_is_a_still_shut_mouth(trained: TrainedGenerator) -> None:
    opening = mouth_opening(joined(live(Generator(trained), [np.zeros(32_000, np.float32)], temperature=1.0)))
    assert opening.std() < 1e-6


def test_nonsense_is_refused_before_any_work(trained: TrainedGenerator) -> None:
    generator = Generator(trained)
    for options in ({"fps": 0.0}, {"temperature": -1.0}, {"seed": -1}):
        with pytest.raises(InputError, match=next(iter(options))):
            live(generator, [np.ones(100, np.float32)], **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no samples"):
        next(live(generator, []))


def test_lines_come_while_the_speech_is_said(checkpoint: Path) -> None:
    sound = raw(talk(2.0)[0])
    command = [sys.executable, "-m", "audio_motion.cli", "predict", "-", "-", "--rate", "16000"]
    with subprocess.Popen(
        [*command, "--generator", str(checkpoint)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(sound[: 2 * 16_000])
        process.stdin.flush()
        head = json.loads(process.stdout.readline())
        # 1 s is enough for the frames up to 0.88 s, which come before the rest is given.
        early = [json.loads(process.stdout.readline()) for _ in range(23)]
        rest, said = process.communicate(sound[2 * 16_000 :])
    frames = early + [json.loads(line) for line in rest.splitlines()]
    assert process.returncode == 0, said
    assert (head["space"], head["fps"], np.shape(head["mean"])) == ("head", 25.0, (68, 3))
    assert [frame["frame"] for frame in frames] == list(range(50))
    assert frames[49]["time"] == 1.96
    assert np.shape([frame["landmarks"] for frame in frames]) == (50, 68, 3)
    assert np.shape(frames[0]["eye_openness"]) == (2,)
    assert b"spoken by" in said


def test_live_speech_becomes_a_file(tmp_path: Path, checkpoint: Path) -> None:
    command = ["predict", "-", tmp_path / "out.npz", "--generator", checkpoint, "--rate", 8000, "--fps", 30]
    subprocess.run(
        [sys.executable, "-m", "audio_motion.cli", *map(str, command)],
        input=raw(talk(2.0)[0])[: 2 * 8000],
        check=True,
        capture_output=True,
    )
    motion = LandmarkSequence.load(tmp_path / "out.npz")
    assert (len(motion), motion.fps, motion.sound) == (30, 30.0, None)


def test_mistakes(tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, problem in (
        ((tmp_path / "a.wav", "-"), "for live speech"),
        ((tmp_path / "a.wav", tmp_path / "a.npz", "--rate", 16_000), "for live speech"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["predict", *map(str, words), "--generator", str(checkpoint)])
        assert ended.value.code == 2
        assert problem in capsys.readouterr().err


def test_refused_sound_leaves_no_line_behind(checkpoint: Path) -> None:
    command = ["predict", "-", "-", "--rate", "16000", "--generator", checkpoint]
    done = subprocess.run(
        [sys.executable, "-m", "audio_motion.cli", *map(str, command)], input=b"", capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"no samples" in done.stderr
