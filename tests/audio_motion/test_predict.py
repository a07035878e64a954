import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from audio_motion.errors import InputError
from audio_motion.models.checkpoint import TrainedGenerator, TrainedPostNet
from audio_motion.models.postnet import PostNet, PostNetConfig
from audio_motion.postprocess import PostProcess
from audio_motion.predict import Generator, MotionChunk
from audio_motion.topology import eye_openness, mouth_opening
from tests.audio_motion.synthetic_speech import talk, write_wav

PLAIN = PostProcess(clamp=False, smoothing=0.0, mouth_amplitude=1.0, silence=False, blink=False)


def in_pieces(sound: np.ndarray, length: int) -> Iterator[np.ndarray]:
    return (sound[i : i + length] for i in range(0, len(sound), length))


@pytest.fixture
def refiner(trained: TrainedGenerator) -> TrainedPostNet:
    """A post-net that changes much, onto a face half as wide again."""
    model = PostNet(PostNetConfig(layers=3))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    face = replace(trained.face, person="anna", mean=1.5 * trained.face.mean)
    return TrainedPostNet(model.eval(), face, trained.sha256, {}, trained.features, "p" * 64)


def joined(chunks: Iterator[MotionChunk]) -> np.ndarray:
    parts = list(chunks)
    assert [part.first for part in parts] == np.cumsum([0] + [len(part.landmarks) for part in parts])[:-1].tolist()
    return np.concatenate([part.landmarks for part in parts])


@pytest.mark.parametrize("post", [PLAIN, PostProcess()])
def test_the_mouth_follows_unheard_speech(trained: TrainedGenerator, post: PostProcess) -> None:
    sound, truth = talk(12.0, seed=77)
    made = mouth_opening(joined(Generator(trained, post).stream([sound])))
    true = mouth_opening(truth.landmarks)
    assert np.corrcoef(made, true)[0, 1] > 0.7
    assert 0.6 < made.std() / true.std() < 1.4


@pytest.mark.parametrize(("block", "piece", "fps"), [(4, 999, 25.0), (32, 40_000, 30.0), (64, 16_000, 23.976)])
def test_streamed_equals_whole(trained: TrainedGenerator, block: int, piece: int, fps: float) -> None:
    sound, _ = talk(9.3, seed=5)
    whole = joined(Generator(trained, block=4096).stream([sound], fps, seed=3, temperature=1.0))
    pieces = joined(Generator(trained, block=block).stream(in_pieces(sound, piece), fps, seed=3, temperature=1.0))
    assert whole.shape == (int(np.ceil(9.3 * fps)), 68, 3)
    assert pieces.shape == whole.shape
    assert np.abs(pieces - whole).max() < 1e-5


@pytest.mark.parametrize("block", [4, 64])
def test_streamed_equals_whole_through_a_post_net(
    trained: TrainedGenerator, refiner: TrainedPostNet, block: int
) -> None:
    sound, _ = talk(6.3, seed=5)
    whole = joined(Generator(trained, PLAIN, block=4096, refiner=refiner).stream([sound], seed=3))
    pieces = joined(Generator(trained, PLAIN, block=block, refiner=refiner).stream(in_pieces(sound, 9999), seed=3))
    assert np.abs(pieces - whole).max() < 1e-5
    assert Generator(trained, refiner=refiner).look_ahead == Generator(trained).look_ahead + 4 / 25  # reach 4


def test_a_post_net_that_changes_nothing_gives_the_generators_motion_in_the_persons_liveliness(
    trained: TrainedGenerator, refiner: TrainedPostNet
) -> None:
    sound, _ = talk(6.0)
    refiner.model.forget()
    face = replace(refiner.face, scale=2 * trained.face.scale)
    refined = joined(Generator(trained, PLAIN, refiner=replace(refiner, face=face)).stream([sound])) - face.mean
    alone = joined(
        Generator(trained, PostProcess(clamp=False, smoothing=0.0, silence=False, blink=False)).stream([sound])
    )
    np.testing.assert_allclose(refined[:, 50, 0], 2 * (alone - trained.face.mean)[:, 50, 0], atol=1e-6)


def test_sequences_name_the_post_net(trained: TrainedGenerator, refiner: TrainedPostNet, tmp_path: Path) -> None:
    write_wav(tmp_path / "s.wav", talk(3.0)[0])
    motion = Generator(trained, refiner=refiner).predict(tmp_path / "s.wav")
    assert motion.person == "anna"
    assert motion.producer.postnet_sha256 == "p" * 64
    assert motion.producer.checkpoint_sha256 == trained.sha256
    # The face that the motion is about, which this speech alone would not tell.
    np.testing.assert_array_equal(motion.mean, refiner.face.mean)  # type: ignore[arg-type]


def test_mouths_are_drawn_towards_the_persons_own(trained: TrainedGenerator, refiner: TrainedPostNet) -> None:
    sound, _ = talk(6.0)
    one = replace(trained, face=replace(trained.face, examples=trained.face.rest[None, 48:]))
    still = joined(Generator(one, replace(PLAIN, local=1.0)).stream([sound]))
    np.testing.assert_allclose(still[:, 50], np.tile(one.face.mean[50] + one.face.rest[50], (150, 1)), atol=1e-6)
    assert 100 < len(trained.face.examples) <= 512  # kept by training
    post = replace(PLAIN, local=1.0)
    whole, pieces = (joined(Generator(trained, post, block=b).stream([sound])) for b in (4096, 16))
    assert np.abs(pieces - whole).max() < 1e-4
    nobody = replace(trained, face=replace(trained.face, examples=np.zeros((0, 20, 3), np.float32)))
    with pytest.raises(InputError, match="no mouth shapes"):
        Generator(nobody, post)


def test_every_step_can_be_switched_off_and_does_something(trained: TrainedGenerator) -> None:
    sound = np.concatenate([talk(4.0)[0], np.zeros(32_000, np.float32)])
    face = replace(trained.face, low=0.2 * trained.face.low, high=0.2 * trained.face.high)  # a clamp that is felt
    trained = replace(trained, face=face, amplitude=1.5)
    nothing = joined(Generator(trained, PLAIN).stream([sound]))
    features = trained.features.extract(np.append(sound, np.zeros(1280, np.float32)))  # up to a whole latent
    noise = torch.zeros(trained.model.config.latent, len(features) // 8)
    raw = trained.motion_of_whole(features, noise).numpy() * face.scale
    likeliest = joined(Generator(trained, PLAIN).stream([sound], temperature=0.0))
    np.testing.assert_allclose(likeliest[:140, :27], (face.mean + raw)[:140, :27], atol=1e-5)
    steps = (
        {"clamp": True},
        {"smoothing": 0.03},
        {"mouth_amplitude": None},
        {"silence": True},
        {"blink": True},
        {"local": 0.5},
    )
    for step in steps:
        changed = joined(Generator(trained, replace(PLAIN, **step)).stream([sound]))  # type: ignore[arg-type]
        assert np.abs(changed - nothing).max() > 1e-4, step


def test_before_and_after_a_sound_there_is_silence(trained: TrainedGenerator) -> None:
    """Speech that begins with the file and ends with it moves the mouth as speech between silences does, but for the
    windows of single features that reach across the ends."""
    sound, _ = talk(6.4, seed=5)  # loud at once: whole latents of 0.16 s
    begin = int(np.abs(sound).argmax()) // 2560 * 2560
    sound = sound[begin : begin + 40_960]
    silence = np.zeros(20_480, np.float32)
    generator = Generator(trained, PLAIN)
    alone = joined(generator.stream([sound], temperature=0.0))
    between = joined(generator.stream([silence, sound, silence], temperature=0.0))[32:-32]
    off = np.abs(mouth_opening(alone) - mouth_opening(between))
    deviation = mouth_opening(between).std()
    assert off[:5].max() < 0.2 * deviation
    assert off[-5:].max() < 0.2 * deviation
    # What the convolutions hear beyond the ends if nothing is put there: speech of middle loudness.
    features = trained.features.extract(sound)
    raw = trained.motion(features, torch.zeros(trained.model.config.latent, len(features) // 8)).numpy()
    zeros = np.abs(mouth_opening(trained.face.mean + raw * trained.face.scale) - mouth_opening(between))
    assert off[:5].mean() < 0.4 * zeros[:5].mean()


def test_memory_is_bounded(trained: TrainedGenerator) -> None:
    """However long the sound, no more of it is read than the block at hand and its look-ahead."""
    sound, _ = talk(4.0)
    given = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal given
        while True:
            given += len(sound)
            yield sound

    generator = Generator(trained, block=64)
    frames = 0
    for chunk in generator.stream(endless()):
        frames += len(chunk.landmarks)
        assert given / 16000 - frames / 25 <= generator.look_ahead + 4.2 + 0.2
        if frames > 3000:
            break


def test_seed_and_temperature(trained: TrainedGenerator) -> None:
    sound, _ = talk(6.0)
    generator = Generator(trained, PLAIN)

    def made(seed: int, temperature: float) -> np.ndarray:
        return joined(generator.stream([sound], seed=seed, temperature=temperature))

    np.testing.assert_array_equal(made(1, 1.0), made(1, 1.0))
    assert np.abs(made(1, 1.0) - made(2, 1.0)).max() > 1e-5
    np.testing.assert_array_equal(made(1, 0.0), made(2, 0.0))


def test_a_seed_is_another_performance_of_the_same_speech(trained: TrainedGenerator) -> None:
    sound, truth = talk(24.0, seed=8)
    generator = Generator(trained, PLAIN)
    made = [mouth_opening(joined(generator.stream([sound], seed=seed, temperature=1.0))) for seed in range(5)]
    spread = np.std(made, axis=0, ddof=1).mean() / np.std(made, axis=1).mean()
    assert 0.1 < spread < 0.5
    true = mouth_opening(truth.landmarks)
    likeliest = np.corrcoef(mouth_opening(joined(generator.stream([sound], temperature=0.0))), true)[0, 1]
    assert np.corrcoef(np.mean(made, axis=0), true)[0, 1] > likeliest - 0.05
    # As large with another checkpoint, whose noise weighs twice as much.
    loud = Generator(replace(trained, variety=2 * trained.variety), PLAIN)
    twice = [mouth_opening(joined(loud.stream([sound], seed=seed, temperature=0.5))) for seed in range(2)]
    np.testing.assert_allclose(twice, made[:2], atol=1e-5)


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (640, 1), (641, 2), (8000, 13)])
def test_speech_shorter_than_the_receptive_field(trained: TrainedGenerator, samples: int, frames: int) -> None:
    landmarks = joined(Generator(trained).stream([talk(1.0)[0][:samples]]))
    assert landmarks.shape == (frames, 68, 3)
    assert np.isfinite(landmarks).all()


def test_silence_is_a_still_shut_mouth(trained: TrainedGenerator) -> None:
    opening = mouth_opening(joined(Generator(trained).stream([np.zeros(16000 * 8, np.float32)], temperature=1.0)))
    _, truth = talk(12.0)
    spoken = mouth_opening(truth.landmarks)
    assert opening.std() < 1e-6
    assert opening.mean() < np.quantile(spoken, 0.15)


def test_eyes_blink_and_lids_agree(trained: TrainedGenerator) -> None:
    parts = list(Generator(trained).stream([talk(20.0)[0]], fps=50.0, seed=4))
    openness = np.concatenate([part.eye_openness for part in parts])
    landmarks = np.concatenate([part.landmarks for part in parts])
    assert openness.max() == pytest.approx(0.3, abs=1e-6)
    assert openness.min() < 0.03
    np.testing.assert_allclose(eye_openness(landmarks), openness, atol=1e-4)


def test_a_file_becomes_a_sequence(trained: TrainedGenerator, tmp_path: Path) -> None:
    write_wav(tmp_path / "speech.wav", talk(2.0)[0])
    motion = Generator(trained).predict(tmp_path / "speech.wav", fps=30.0, seed=9)
    assert (len(motion), motion.fps, motion.space, motion.person) == (60, 30.0, "head", "synthetic")
    assert motion.sound is not None
    assert motion.sound.file == "speech.wav"
    assert motion.producer.seed == 9
    assert motion.producer.checkpoint_sha256 == trained.sha256


def test_the_sound_is_recorded_at_the_file_s_own_rate(trained: TrainedGenerator, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(np.zeros(48_000, np.int16).tobytes())
    motion = Generator(trained).predict(tmp_path / "speech.wav")
    assert motion.sound is not None
    assert motion.sound.sample_rate == 48_000
    assert motion.producer.name == "synthetic, heard through acoustic-1"


def test_nonsense_is_refused_before_any_work(trained: TrainedGenerator) -> None:
    generator = Generator(trained)
    sound = [np.ones(100, np.float32)]
    for options in ({"fps": 0.0}, {"fps": float("nan")}, {"temperature": -1.0}, {"seed": -1}):
        with pytest.raises(InputError, match=next(iter(options))):
            generator.stream(sound, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no samples"):
        next(generator.stream([]))
    with pytest.raises(InputError, match="no such file"):
        next(generator.stream(Path("nowhere.wav")))


def test_amplitude_option_overrides_the_checkpoint(trained: TrainedGenerator) -> None:
    sound, _ = talk(6.0)
    exaggerated = replace(trained, amplitude=5.0)
    generators = (Generator(exaggerated, replace(PLAIN, mouth_amplitude=times)) for times in (1.0, 1.5))
    calm, loud = (mouth_opening(joined(generator.stream([sound]))) for generator in generators)
    assert loud.std() / calm.std() == pytest.approx(1.5, rel=0.15)
