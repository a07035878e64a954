import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_motion.data.recording import Recording, align, hold_out_tail
from audio_motion.errors import InputError
from audio_motion.features.acoustic import MEL
from audio_motion.models.checkpoint import TrainedSyncExpert, load_generator, load_syncnet, save_syncnet
from audio_motion.models.syncnet import SyncConfig, SyncExpert, mouth_channels, similarity_at_lags
from audio_motion.sync import REACH, lag_of, lag_scores, sync_accuracy
from audio_motion.training.loop import LoopConfig
from audio_motion.training.syncnet import SyncTraining, contrastive_loss, fit_syncnet
from tests.audio_motion.synthetic_speech import talk

QUICK = SyncTraining(
    model=SyncConfig(hidden=48, embedding=16, dropout=0.1),
    loop=LoopConfig(steps=150, batch_size=16, learning_rate=4e-3, warm_up=10, validate_every=50),
    crop=48,
)


def scores_of(expert: SyncExpert, recording: Recording) -> torch.Tensor:
    return lag_scores(expert, recording)


@pytest.fixture(scope="module")
def expert() -> TrainedSyncExpert:
    parts = [hold_out_tail(align(motion, sound, MEL)) for sound, motion in (talk(25.0, seed=1), talk(25.0, seed=2))]
    early, late = zip(*parts, strict=True)
    return fit_syncnet(early, late, MEL, QUICK)


def test_similarity_by_hand() -> None:
    heard = torch.eye(4)[None]  # a different direction at each of four times
    scores = similarity_at_lags(heard, heard.roll(-1, dims=-1), 2)[0]
    # Motion at t is the sound of t + 1: the best lag is +1, everywhere where there is such a sound.
    assert torch.equal(scores[3, :3], torch.ones(3))
    assert torch.isnan(scores[3, 3])
    assert torch.equal(scores[2], torch.zeros(4))


def test_what_the_motion_tower_sees() -> None:
    motion = torch.zeros(1, 68, 3, 1)
    motion[0, 61, 1], motion[0, 67, 1] = 0.3, -0.2
    motion[0, 54, 0], motion[0, 48, 0] = 0.5, -0.25
    motion[0, 8, 1] = -1.0
    seen = mouth_channels(motion.flatten(1, 2))[0, :, 0]
    assert seen[60:].tolist() == pytest.approx([0.5, 0.0, 0.0, 0.75, 0.0, -1.0, 0.0])


def test_loss_of_perfect_and_of_blind_embeddings() -> None:
    times = torch.eye(20)[None].repeat(2, 1, 1) * torch.tensor([1.0, -1.0])[:, None, None]
    valid = torch.ones(2, 20, dtype=torch.bool)
    assert contrastive_loss(times, times, valid, torch.tensor(100.0)).item() < 0.01
    blind = torch.ones(2, 1, 20)
    # 16 windows, of which those next to the true one do not compete: nearly log(16 - 2 + 1) + log(16 - 2).
    loss = contrastive_loss(blind, blind, valid, torch.tensor(5.0)).item()
    assert loss == pytest.approx(math.log(15) + math.log(14), abs=0.05)
    assert contrastive_loss(times, times, torch.zeros_like(valid), torch.tensor(1.0)).item() == 0.0


@given(lag=st.integers(-10, 10))
@settings(max_examples=10)
def test_a_lag_that_was_put_in_is_found(expert: TrainedSyncExpert, lag: int) -> None:
    sound, motion = talk(9.0, seed=7)
    late = np.roll(sound, round(lag * 640))  # 640 samples a motion frame; sound comes `lag` frames late
    found = lag_of(scores_of(expert.model, align(motion, late, MEL)))
    assert found.seconds == pytest.approx(lag / 25, abs=0.03)
    assert found.confidence > 0.1


def test_unheard_speech_is_judged_right(expert: TrainedSyncExpert) -> None:
    sound, motion = talk(10.0, seed=9)
    scores = scores_of(expert.model, align(motion, sound, MEL))
    share, count = sync_accuracy(scores)
    assert share > 0.95
    assert count > 1000
    # Other speech, of another pace, with the same motion: no evidence, chance.
    other = talk(10.0, seed=11)[0]
    other = np.interp(np.arange(len(sound)) * 0.73, np.arange(len(other)), other).astype(np.float32)
    wrong = scores_of(expert.model, align(motion, other, MEL))
    assert 0.1 < sync_accuracy(wrong)[0] < 0.9
    assert lag_of(wrong).confidence < 0.5 * lag_of(scores).confidence


def test_accuracy_by_hand() -> None:
    scores = torch.zeros(1, 2 * REACH + 1, 30)
    scores[0, REACH] = 1.0
    scores[0, REACH + 5] = 2.0  # one of the 22 shifts fits better
    assert sync_accuracy(scores) == (pytest.approx(21 / 22), 22 * 6)
    assert sync_accuracy(torch.full((1, 2 * REACH + 1, 30), torch.nan)) == (0.0, 0)
    assert lag_of(torch.full((1, 2 * REACH + 1, 30), torch.nan)).confidence == 0.0


def test_checkpoint(expert: TrainedSyncExpert, tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "syncnet.safetensors"
    save_syncnet(path, expert)
    back = load_syncnet(path)
    assert back.training == expert.training
    assert back.features is MEL
    sound, motion = talk(4.0, seed=3)
    recording = align(motion, sound, MEL)
    assert torch.equal(
        scores_of(back.model, recording).nan_to_num(), scores_of(expert.model.eval(), recording).nan_to_num()
    )
    with pytest.raises(InputError, match="not a generator checkpoint"):
        load_generator(path)
