"""From speech to a captured person's motion, and the voices that are fitted to a capture."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from audio_motion.errors import InputError
from audio_motion.media import load_audio
from audio_motion.models.checkpoint import load_generator, load_postnet, save_generator
from audio_motion.models.pretrained import PRETRAINED_GENERATOR
from audio_motion.postprocess import AS_GENERATED
from audio_motion.topology import TEMPLATE
from audio_motion.training import generator, postnet
from audio_motion.training.generator import GeneratorTraining, train_generator
from audio_motion.training.loop import LoopConfig
from audio_motion.training.postnet import PostNetTraining
from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.motion.speech import motion_of_speech, sound_from
from geneface_ns.motion.voice import GENERATOR_FILE, POSTNET_FILE, Voice, own_generator, voice_of
from tests.geneface_ns.fakes import make_capture
from tests.geneface_ns.output.test_video import write_wav


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    """Six seconds, with a generator that was trained for two steps."""
    folder = make_capture(tmp_path_factory.mktemp("captures") / "anna", frames=60, fps=10.0)
    few = GeneratorTraining(loop=LoopConfig(steps=2, batch_size=2, learning_rate=1e-3, validate_every=2), crop=16)
    train_generator([folder], folder / GENERATOR_FILE, few)
    return load_capture(folder)


def test_speech_moves_the_captured_persons_face(tmp_path: Path, capture: Capture) -> None:
    speech = write_wav(tmp_path / "speech.wav", 2.0, 16000)
    path = capture.folder / GENERATOR_FILE
    own = np.stack([f.landmarks for f in motion_of_speech(speech, Voice(path), capture, seed=3, temperature=0.5)])
    assert own.shape == (20, 68, 3)
    assert np.abs(own - TEMPLATE).max() < 0.1
    # On a face that is a tenth to the right, the same motion is a tenth to the right.
    other = load_capture(make_capture(tmp_path / "bert", person="bert"))
    other.__dict__["mean_landmarks"] = TEMPLATE + np.array([0.1, 0, 0], np.float32)
    moved = np.stack([f.landmarks for f in motion_of_speech(speech, Voice(path), other, seed=3, temperature=0.5)])
    np.testing.assert_allclose(moved[:, :, 0].mean(), own[:, :, 0].mean() + 0.1, atol=5e-3)
    # Eyes that are narrower, and whose blinks the tracker saw to 0.05: the blink of the first seconds is one of them.
    other.landmarks.eye_openness[:] = 0.2
    other.landmarks.eye_openness[10:15] = 0.05
    eyes = np.stack([f.eye_openness for f in motion_of_speech(speech, Voice(path), other, seed=3, temperature=0.5)])
    assert np.median(eyes) == pytest.approx(0.2, abs=1e-3)
    assert eyes.min() == pytest.approx(0.05, abs=0.01)
    late = list(motion_of_speech(speech, Voice(path), capture, seed=3, temperature=0.5, start=0.5))
    assert len(late) == 15


def test_post_processing_can_be_left_out(tmp_path: Path, capture: Capture) -> None:
    speech, voice = write_wav(tmp_path / "speech.wav", 6.0, 16000), Voice(capture.folder / GENERATOR_FILE)
    usual = list(motion_of_speech(speech, voice, capture, 3, 1.0))
    plain = list(motion_of_speech(speech, voice, capture, 3, 1.0, post=AS_GENERATED))
    assert len(plain) == len(usual) == 60
    eyes = np.stack([frame.eye_openness for frame in plain])
    assert np.ptp(eyes) < 1e-6, "a blink is none of the generator's"
    assert np.ptp(np.stack([frame.eye_openness for frame in usual])) > 0.05
    step = [np.abs(np.diff(np.stack([f.landmarks[48:] for f in frames]), axis=0)).mean() for frames in (usual, plain)]
    assert step[0] < step[1], "nothing was smoothed"


def test_a_generator_that_is_there_is_used(capture: Capture) -> None:
    before = (capture.folder / GENERATOR_FILE).read_bytes()
    assert own_generator(capture) == capture.folder / GENERATOR_FILE
    assert (capture.folder / GENERATOR_FILE).read_bytes() == before


def test_the_packages_voice_gets_a_post_net_of_the_person(capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    few = LoopConfig(steps=2, batch_size=2, learning_rate=1e-3, warm_up=1, validate_every=1)
    monkeypatch.setattr(postnet, "PostNetTraining", lambda: PostNetTraining(loop=few, samples=1, crop=32))
    voice = voice_of(capture, "prior")
    assert voice == Voice(PRETRAINED_GENERATOR, capture.folder / POSTNET_FILE)
    assert voice.postnet is not None
    before = voice.postnet.read_bytes()
    assert load_postnet(voice.postnet).face.person == capture.name
    assert voice_of(capture, "prior") == voice  # kept, not fitted again
    assert voice.postnet.read_bytes() == before
    speech = capture.folder / "audio.wav"
    frames = [f.landmarks for _, f in zip(range(12), motion_of_speech(speech, voice, capture, 0, 0.1), strict=False)]
    assert np.abs(np.stack(frames) - capture.mean_landmarks).max() < 0.15
    assert voice_of(capture, "person") == Voice(capture.folder / GENERATOR_FILE)
    with pytest.raises(InputError, match="no such file"):
        voice_of(capture, "of/mine.safetensors")
    with pytest.raises(InputError, match="hears through the built-in ones"):
        voice_of(capture, "prior", "whisper:somewhere")


def test_a_generator_of_many_speakers_gets_a_post_net_of_its_own(
    tmp_path: Path, capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = LoopConfig(steps=2, batch_size=2, learning_rate=1e-3, warm_up=1, validate_every=1)
    monkeypatch.setattr(postnet, "PostNetTraining", lambda: PostNetTraining(loop=few, samples=1, crop=32))
    trained = load_generator(PRETRAINED_GENERATOR)
    with torch.no_grad():
        trained.model.leave.bias += 0.01
    mine = tmp_path / "mine.safetensors"
    save_generator(mine, trained)
    voice = voice_of(capture, str(mine), "whisper")
    assert voice.generator == mine
    assert voice.features == "whisper"
    assert voice.postnet is not None
    assert voice.postnet != capture.folder / POSTNET_FILE  # which is the package's, and stays
    assert load_postnet(voice.postnet).generator_sha256 == load_generator(mine).sha256
    kept = voice.postnet.stat().st_mtime_ns
    assert voice_of(capture, str(mine), "whisper") == voice
    assert voice.postnet.stat().st_mtime_ns == kept
    # One speaker's generator speaks as that speaker does.
    assert voice_of(capture, str(capture.folder / GENERATOR_FILE)).postnet is None


def test_a_generator_of_an_earlier_processing_is_fitted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_capture(tmp_path / "anna", frames=22, fps=10.0)
    kept = folder / GENERATOR_FILE
    kept.touch()
    landmarks = (folder / "landmarks.npz").stat().st_mtime
    os.utime(kept, (landmarks - 10, landmarks - 10))
    fitted: list[Path] = []
    monkeypatch.setattr(generator, "train_generator", lambda captures, output, progress: fitted.append(output))
    own_generator(load_capture(folder))
    assert fitted == [kept]


def test_sound_from_the_middle(tmp_path: Path) -> None:
    speech = write_wav(tmp_path / "speech.wav", 25.0, 16000)
    whole = load_audio(speech)
    for start in (0.1, 10.0, 19.99):  # within, at the end of, and after chunks of ten seconds
        np.testing.assert_array_equal(np.concatenate(list(sound_from(speech, start))), whole[round(start * 16000) :])
    assert list(sound_from(speech, 30.0)) == []
