import numpy as np
import torch

from audio_motion.data.augmentation import (
    NO_AUGMENTATION,
    Augmentation,
    at_tempo,
    draw_perturbation,
    mask_bands_and_frames,
    smooth_curves,
)
from audio_motion.data.crops import CropSampler
from audio_motion.data.recording import align
from audio_motion.features.acoustic import MEL
from audio_motion.features.mel import BINS, HALF_RANGE, MEAN, centres, log_mel
from audio_motion.features.perturbation import perturb_channel, perturb_voice
from audio_motion.features.prosody import loudness
from audio_motion.topology import MIRROR
from tests.audio_motion.synthetic_speech import talk


def rows(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng([0, 0, row]) for row in range(count)]


def tone(hertz: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(16000) / 16000)).astype(np.float32)


def test_another_microphone_agrees_with_truly_louder_noisier_sound() -> None:
    sound, _ = talk(4.0)
    noise = np.random.default_rng(1).normal(0, 1, len(sound)).astype(np.float32) * 0.01
    band = torch.log(torch.exp(log_mel(torch.from_numpy(noise)) * HALF_RANGE + MEAN).mean(dim=0))
    level = torch.full((1, BINS), 10 * np.log10(np.exp(band.mean().item())))
    guess = perturb_channel(MEL.extract(sound)[None], torch.tensor([6.0206]), torch.zeros(1, BINS), level)[0]
    truth = MEL.extract(2.0 * sound + noise)
    speech = loudness(torch.from_numpy(2.0 * sound)) > -30
    difference = (guess - truth)[speech][:, :40] * HALF_RANGE * 10 / np.log(10)
    assert difference.median().abs() < 1.5  # dB
    assert ((guess - truth)[speech][:, -1] * 20).abs().median() < 1.0  # dB


def test_another_voice_moves_a_tone_to_where_it_would_be_heard() -> None:
    """1000 Hz, half an octave up, is 1414 Hz: the loudest bin of one is that of the other."""
    low, high = (MEL.extract(tone(hertz))[10:40] for hertz in (1000.0, 1000.0 * 2**0.5))
    moved = perturb_voice(low[None], torch.tensor([0.5]), torch.tensor([0.0]))[0]
    found, wanted = (centres()[x[:, :BINS].mean(dim=0).argmax()] for x in (moved, high))
    assert abs(found / wanted - 1.0) < 0.04
    assert torch.equal(moved[:, BINS:], low[:, BINS:])


def test_another_voice_s_pitch_is_that_of_the_higher_sound() -> None:
    low, high = (MEL.extract(tone(hertz))[10:40] for hertz in (120.0, 150.0))
    moved = perturb_voice(low[None], torch.zeros(1), torch.tensor([np.log2(150.0 / 120.0)], dtype=torch.float32))[0]
    assert (moved[:, BINS] - high[:, BINS]).abs().max() < 0.05  # octaves
    assert (moved[:, :BINS] - low[:, :BINS]).abs().max() < 1e-3


def test_another_tempo_keeps_sound_and_motion_together() -> None:
    """Feature i is heard at (i + 0.5) / 50 s, motion frame k is seen at k / 25 s: 1.25 times as fast, both show 1.25
    times that time."""
    heard = ((torch.arange(200) + 0.5) / 50)[:, None]
    seen = (torch.arange(100) / 25)[:, None]
    faster = at_tempo(heard, 1.25, 0.5, 60)[:, 0]
    assert torch.allclose(faster[1:], 1.25 * (torch.arange(60)[1:] + 0.5) / 50, atol=1e-5)
    assert torch.allclose(at_tempo(seen, 1.25, 0.0, 30)[:, 0], 1.25 * torch.arange(30) / 25, atol=1e-5)
    assert torch.equal(at_tempo(seen, 1.0, 0.0, 30), seen[:30])
    assert at_tempo(seen, 2.0, 0.0, 60)[51:].abs().max() == 0.0  # beyond the end


def test_crops_without_augmentation_are_the_recording_or_its_mirror_image() -> None:
    sound, motion = talk(8.0)
    recording = align(motion, sound, MEL)
    batch = CropSampler([recording], 32, MEL, NO_AUGMENTATION).draw(rows(8))
    points = recording.offsets / recording.face.scale
    both = points.flatten(1), (points[:, MIRROR] * torch.tensor([-1.0, 1.0, 1.0])).flatten(1)
    for piece, features in zip(batch.motion.transpose(1, 2), batch.features.transpose(1, 2), strict=True):
        apart = [(features - recording.features[2 * k : 2 * k + 64]).abs().max() for k in range(len(points) - 31)]
        start = int(np.argmin(apart))
        assert apart[start] < 1e-3
        assert min((piece - whole[start : start + 32]).abs().max() for whole in both) < 1e-4
    assert batch.valid.all()


def test_augmentation_changes_every_crop_and_nothing_unheard_of() -> None:
    sound, _ = talk(8.0)
    torch.manual_seed(0)
    features = MEL.extract(sound)[None, :128].expand(6, -1, -1)
    heard = Augmentation().perturb(features, torch.stack([draw_perturbation(rng) for rng in rows(6)]))
    assert heard.shape == features.shape
    assert torch.isfinite(heard).all()
    assert heard.abs().max() < 6.0
    for one in range(6):
        for other in range(one):
            assert (heard[one] - heard[other]).abs().mean() > 0.05


def test_a_band_and_a_moment_fall_silent() -> None:
    torch.manual_seed(1)
    gone = mask_bands_and_frames(torch.ones(200, 50, 83), torch.rand(200, 4), 12, 8) == 0.0
    assert not gone[..., BINS:].all(dim=1).any()  # pitch, voicing and energy: at moments only
    assert gone.all(dim=2).sum(dim=1).max() == 8
    assert gone[..., :BINS].all(dim=1).sum(dim=1).max() == 12


def test_random_curves_have_the_size_asked_for() -> None:
    torch.manual_seed(0)
    curves = smooth_curves(torch.randn(4000, 5), 4.0, 2.0)
    assert 3.9 < curves[:, 0].std() < 4.4  # where all waves meet: 4 sqrt(1 + 1/16 + 1/81 + ...) = 4.16
    assert curves.mean().abs() < 0.3


def test_a_crop_is_the_same_whoever_draws_it_and_whatever_else_is_drawn() -> None:
    """So every process of a distributed training draws its own rows alone."""
    sound, motion = talk(8.0)
    crops = CropSampler([align(motion, sound, MEL)], 32, MEL, Augmentation())
    whole, odd = crops.draw(rows(8)), crops.draw(rows(8)[1::2])
    for name in ("motion", "features", "valid"):
        assert torch.equal(getattr(whole, name)[1::2], getattr(odd, name))
    assert (whole.features[0] - whole.features[1]).abs().max() > 0.1


def test_after_the_end_of_a_recording_comes_silence() -> None:
    sound, motion = talk(3.0)
    recording = align(motion, sound, MEL)  # 72 motion frames
    batch = CropSampler([recording], 96, MEL, NO_AUGMENTATION).draw(rows(4))
    assert torch.allclose(batch.features[:, :, 150:], recording.silence[:, None], atol=1e-5)
    assert not batch.valid[:, 72:].any()
    assert torch.allclose(MEL.extract(np.zeros(16000, np.float32))[20], recording.silence, atol=1e-6)
