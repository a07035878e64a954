"""Every kind of speech features: one grid, whole and streamed, opened by name."""

import os
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from audio_motion.errors import InputError
from audio_motion.features import hubert, whisper
from audio_motion.features.blocks import EncodedSpeech, Grid
from audio_motion.features.eight_bits import quantised, restored
from audio_motion.features.frames import frame_count
from audio_motion.features.interface import TOLERANCE, SpeechFeatures, open_features
from audio_motion.features.prosody import PROSODY, loudness, loudness_of, prosody
from audio_motion.features.whisper_encoder import WhisperEncoder
from audio_motion.media import load_audio
from audio_motion.predict import Generator
from audio_motion.topology import mouth_opening
from tests.audio_motion.features.tiny_encoders import hubert_weights, tiny_hubert, write_whisper
from tests.audio_motion.synthetic_speech import talk
from tests.audio_motion.test_predict import in_pieces, joined

KINDS = ("mel", "packaged", "whisper", "hubert")
DATA = os.environ.get("GENEFACE_DATA")


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SpeechFeatures]:
    folder = tmp_path_factory.mktemp("weights")
    save_file(hubert_weights(), folder / "hubert.safetensors")
    return {
        "mel": open_features("mel"),
        "packaged": open_features("whisper"),
        "whisper": open_features(f"whisper:{write_whisper(folder / 'whisper')}"),
        "hubert": open_features(f"hubert:{folder / 'hubert.safetensors'}"),
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("samples", [0, 1, 320, 321, 16_000, 4 * 16_000, 4 * 16_000 + 1, 5 * 16_000 + 200])
def test_frames_cover_the_sound_and_end_with_prosody(kinds: dict[str, SpeechFeatures], kind: str, samples: int) -> None:
    features, sound = kinds[kind], talk(6.0)[0][:samples]
    heard = features.extract(sound)
    assert heard.shape == (frame_count(samples), features.channels)
    assert heard.dtype == torch.float32
    assert torch.isfinite(heard).all()
    if samples:
        whole = prosody(torch.from_numpy(sound))
        assert (heard[:, -PROSODY:] - whole).abs().max() < TOLERANCE
        assert (loudness_of(heard) - loudness(torch.from_numpy(sound))).abs().max() < 0.01


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(KINDS),
    samples=st.integers(1, 11 * 16_000),
    pieces=st.lists(st.integers(0, 40_000), min_size=1, max_size=8).filter(any),
)
def test_streamed_equals_whole(kinds: dict[str, SpeechFeatures], kind: str, samples: int, pieces: list[int]) -> None:
    sound = talk(11.0)[0][:samples]

    def chunks() -> Iterator[np.ndarray]:
        done = 0
        while done < samples:
            for length in pieces:
                yield sound[done : done + length]
                done += length

    parts = list(kinds[kind].stream(chunks()))
    assert all(len(part) for part in parts)
    assert (torch.cat(parts) - kinds[kind].extract(sound)).abs().max() < TOLERANCE


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_is_held_than_the_look_ahead(kinds: dict[str, SpeechFeatures], kind: str) -> None:
    """A frame is given before more sound has come than `look_ahead` after it (and the chunk at hand)."""
    features, given_samples, frames = kinds[kind], 0, 0

    def chunks() -> Iterator[np.ndarray]:
        nonlocal given_samples
        for chunk in in_pieces(talk(20.0)[0], 1600):
            given_samples += len(chunk)
            yield chunk

    for part in features.stream(chunks()):
        waited = given_samples / 16_000 - (frames + 0.5) / 50
        assert waited <= features.look_ahead + 0.1 + 0.02 + 0.0126  # + chunk, half a frame, half a window of mel
        frames += len(part)
    assert frames == 1000


def click(second: float) -> np.ndarray:
    """A soft burst of noise, 10 ms long, centred there."""
    sound = np.random.default_rng(1).normal(0, 1e-4, 3 * 16_000).astype(np.float32)
    middle = round(second * 16_000)
    sound[middle - 80 : middle + 80] += np.hanning(160) * np.random.default_rng(2).normal(0, 0.3, 160)
    return sound


@pytest.mark.parametrize("kind", ["mel", "whisper", "hubert"])
@pytest.mark.parametrize("frame", [60, 61, 75])
def test_a_click_is_heard_in_its_own_frame(kinds: dict[str, SpeechFeatures], kind: str, frame: int) -> None:
    """Attention cannot tell time: what an encoder's convolutions make of a click in the middle of a frame lies as far
    before the frame as after it."""
    features = kinds[kind]
    if kind == "whisper":
        features = replace(features, encode=_without_attention(features.encode))
    if kind == "hubert":
        features = replace(features, encode=_convolutions_only(features.encode), width=8)
    change = (features.extract(click((frame + 0.5) / 50)) - features.extract(click(2.51)))[:, :-PROSODY]
    strength = change[frame - 4 : frame + 5].square().sum(dim=1)
    assert int(strength.argmax()) == 4
    centre = float((strength * torch.arange(-4.0, 5.0)).sum() / strength.sum())
    assert abs(centre) < 0.25  # random kernels lean to a side; 10 ms too early or too late would be 0.5


def _without_attention(encode):  # type: ignore[no-untyped-def]
    """Whisper's convolutions alone, without positions: its attention replaced by nothing."""
    encoder, filters = encode.args
    alone = deepcopy(encoder)
    alone.layers, alone.layer_norm = torch.nn.ModuleList(), torch.nn.Identity()
    alone.positions.zero_()
    return lambda sound: encode.func(alone, filters, sound)


def _convolutions_only(encode):  # type: ignore[no-untyped-def]
    model, *rest = encode.args
    return lambda sound: encode.func(lambda x: model.feature_extractor(x, None), *rest, sound)


def test_whisper_hears_what_transformers_makes_of_the_same_window(tmp_path: Path) -> None:
    """A block in the middle, against the library's own spectrum and encoder, cut to the window."""
    from transformers import WhisperConfig, WhisperFeatureExtractor
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    place, sound = write_whisper(tmp_path), talk(16.0)[0]
    grid = whisper.GRID
    window = grid.before + grid.new + grid.after
    config = WhisperConfig.from_pretrained(place, max_source_positions=window)
    encoder = WhisperEncoder(config).eval()
    tensors = {name[8:]: value for name, value in load_file(place / "model.safetensors").items() if "encoder" in name}
    tensors["embed_positions.weight"] = tensors["embed_positions.weight"][:window]
    encoder.load_state_dict(tensors)
    start = (2 * grid.new - grid.before) * 320 + 160
    mel = WhisperFeatureExtractor()(
        sound[start : start + window * 320], sampling_rate=16_000, return_tensors="pt", padding="do_not_pad"
    ).input_features
    with torch.no_grad():
        library = encoder(mel).last_hidden_state[0, grid.before : grid.before + grid.new]
    ours = open_features(f"whisper:{place}@3").extract(sound)[2 * grid.new : 3 * grid.new, :-PROSODY]
    assert (ours - library).abs().max() < 0.01  # the library reflects sound at the window's ends
    assert (ours - library)[20:-20].abs().mean() < 1e-3


@pytest.mark.parametrize("large", [False, True])
def test_hubert_hears_what_torchaudio_makes_of_it(tmp_path: Path, large: bool) -> None:
    torch.save(hubert_weights(large), tmp_path / "tiny.pt")
    sound = torch.from_numpy(talk(2.0)[0])
    ours = open_features(f"hubert:{tmp_path / 'tiny.pt'}").extract(sound.numpy())[:, :-PROSODY]
    padded = torch.nn.functional.pad(sound, (40, 40))[None]
    if large:
        padded = torch.nn.functional.layer_norm(padded, padded.shape)
    with torch.no_grad():
        library = tiny_hubert(large)(padded)[0][0]
    assert (ours - library).abs().max() < 1e-5
    first = open_features(f"hubert:{tmp_path / 'tiny.pt'}@1")
    assert first.spec.endswith("tiny.pt@1")
    assert first.extract(sound.numpy()).shape == (100, 64 + PROSODY)


def test_names_follow_weights_and_layer_and_nothing_else(tmp_path: Path) -> None:
    single = open_features(f"whisper:{write_whisper(tmp_path / 'single')}")
    half = open_features(f"whisper:{write_whisper(tmp_path / 'half', half=True, prefix='model.encoder.')}")
    first = open_features(f"{half.spec.removesuffix('@2')}@1")
    assert single.name == half.name
    assert single.spec != half.spec
    assert half.name.endswith("-2")  # the middle one of three
    assert first.name == f"{half.name[:-1]}1"
    assert open_features(half.spec).name == half.name
    tensors = load_file(tmp_path / "single" / "model.safetensors")
    tensors["encoder.conv1.bias"][0] += 1
    save_file(tensors, tmp_path / "single" / "model.safetensors")
    assert open_features(single.spec).name != single.name
    sound = talk(1.0)[0]
    assert (half.extract(sound) - single.extract(sound)).abs().max() == 0
    assert (half.extract(sound) - first.extract(sound)).abs().max() > 1e-3


def test_mistakes_in_a_spec_are_one_line(tmp_path: Path) -> None:
    place = write_whisper(tmp_path / "whisper")
    (tmp_path / "no config").mkdir()
    (tmp_path / "words.pt").write_text("words")
    (tmp_path / "words.safetensors").write_text("words")
    torch.save([1, 2], tmp_path / "list.pt")
    cut = write_whisper(tmp_path / "cut")
    (cut / "model.safetensors").write_bytes((place / "model.safetensors").read_bytes()[:-100])
    weights = hubert_weights()
    weights.pop("encoder.feature_projection.projection.bias")
    save_file(weights, tmp_path / "lacking.safetensors")
    mistakes = {
        "mels": "no such speech features",
        "whisper:": "no such speech features",
        f"whisper:{place}@x": "'x' is no layer",
        f"whisper:{place}@0": "'0' is no layer",
        f"whisper:{place}@4": "no layer 4; give 1 to 3",
        f"whisper:{tmp_path / 'none'}": "no such directory",
        f"whisper:{tmp_path / 'no config'}": r"no config\.json",
        f"whisper:{cut}": "not a whole file",
        "whisper:three/part/name": "neither a directory nor",
        f"hubert:{tmp_path / 'none.pt'}": "no such file of weights",
        f"hubert:{tmp_path / 'words.pt'}": "not a whole file",
        f"hubert:{tmp_path / 'words.safetensors'}": "not a whole file",
        f"hubert:{tmp_path / 'list.pt'}": "state dict",
        f"hubert:{tmp_path / 'lacking.safetensors'}": "not a HuBERT",
        f"hubert:{place / 'model.safetensors'}": "not a HuBERT",
    }
    for spec, problem in mistakes.items():
        with pytest.raises(InputError, match=problem) as error:
            open_features(spec)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("spec", "advice"),
    [
        ("whisper:somebody/whisper-unheard-of", "https://huggingface.co/somebody/whisper-unheard-of"),
        ("hubert:HUBERT_BASE", "hubert_fairseq_base_ls960.pth"),
    ],
)
def test_weights_that_cannot_be_had_are_told_at_once(
    spec: str, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", nowhere)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    begun = time.monotonic()
    with pytest.raises(InputError, match="no route to host") as error:
        open_features(spec)
    assert time.monotonic() - begun < 10
    assert advice in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("*.pth"))


def test_a_download_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(hubert_weights(), tmp_path / hubert.PIPELINES["HUBERT_BASE"])
    monkeypatch.setattr(hubert, "_SERVER", f"{tmp_path.as_uri()}/")
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    assert open_features("hubert:HUBERT_BASE").spec == "hubert:HUBERT_BASE@3"
    assert (tmp_path / "hub" / "checkpoints" / hubert.PIPELINES["HUBERT_BASE"]).is_file()


def test_windows_lie_on_the_absolute_grid() -> None:
    """An encoder that gives each frame its window's first sample's value tells where the windows lie."""
    heard = np.repeat(np.arange(1, 41, dtype=np.float32), 320)

    def encode(sound: torch.Tensor) -> torch.Tensor:
        frames = (len(sound) - 400) // 320
        return torch.stack([torch.full((frames,), float(sound[200])), torch.full((frames,), float(frames))], dim=1)

    def windows(filled: bool) -> torch.Tensor:
        features = EncodedSpeech("x", "x", 2, Grid(3, 10, 2, filled), encode)
        return features.extract(heard)[:, :2]

    assert windows(False)[::10].tolist() == [[1, 12], [8, 15], [18, 15], [28, 13]]
    assert windows(True)[::10].tolist() == [[0, 15], [8, 15], [18, 15], [28, 15]]
    assert (windows(True).reshape(4, 10, 2) == windows(True)[::10, None]).all()


def test_a_generator_streams_through_an_encoder(trained, kinds: dict[str, SpeechFeatures]) -> None:  # type: ignore[no-untyped-def]
    """The energy channel drives the gate of silence, blocks of any size give one motion, and look-ahead adds up."""
    features = kinds["whisper"]
    model = type(trained.model)(replace(trained.model.config, features=features.channels)).eval()
    generator = Generator(replace(trained, model=model, features=features))
    assert generator.look_ahead == pytest.approx(Generator(trained).look_ahead - 0.04 + 5.0)
    sound = talk(9.3, seed=5)[0]
    whole = joined(replace(generator, block=4096).stream([sound], seed=3))
    pieces = joined(replace(generator, block=32).stream(in_pieces(sound, 9999), seed=3))
    assert whole.shape == (233, 68, 3)
    assert np.abs(pieces - whole).max() < 1e-5
    still = joined(generator.stream([np.zeros(16_000 * 6, np.float32)]))
    assert mouth_opening(still).std() < 1e-6


def test_the_packaged_whisper_is_the_first_layers_of_a_whole_one(tmp_path: Path) -> None:
    """Rounded to eight bits, without positions and without the layers behind."""
    place, mel = write_whisper(tmp_path), torch.randn(80, 300, generator=torch.Generator().manual_seed(0))
    whole = {name[8:]: x for name, x in load_file(place / "model.safetensors").items() if name.startswith("encoder.")}
    part = {name: whole[name] for name in whole if name.startswith(("conv", "layers.0.", "layers.1."))}
    part |= {f"layer_norm.{kind}": whole[f"layers.2.self_attn_layer_norm.{kind}"] for kind in ("weight", "bias")}
    packed = quantised(part)
    assert sum(x.numel() * x.element_size() for x in packed.values()) < 1.2 * sum(x.numel() for x in part.values())
    with torch.no_grad():
        exact, rounded = (WhisperEncoder(x, 2, 2, 150)(mel) for x in (whole, restored(packed)))
    assert (rounded - exact).square().mean() < 1e-3 * exact.var()
    assert (rounded - exact).abs().max() > 1e-4
    assert torch.allclose(WhisperEncoder(part, 2, 2, 150)(mel), exact, atol=1e-3)


@pytest.mark.data
@pytest.mark.skipif(not DATA, reason="GENEFACE_DATA does not name the folder of real clips")
@pytest.mark.parametrize("layer", [3, 6])
def test_the_real_whisper_is_what_transformers_makes_of_it(layer: int) -> None:
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder as Library

    place = Path(DATA or "") / "weights" / "whisper-base-encoder"
    tensors = {name.split("encoder.", 1)[1]: x.float() for name, x in load_file(place / "model.safetensors").items()}
    library = Library(WhisperConfig.from_pretrained(place)).eval()
    library.load_state_dict(tensors)
    library.layers, library.layer_norm = library.layers[:layer], WhisperEncoder(tensors, 8, layer, 1500).layer_norm
    mel = torch.randn(80, 3000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours, theirs = WhisperEncoder(tensors, 8, layer, 1500)(mel), library(mel[None]).last_hidden_state[0]
    assert (ours - theirs).abs().max() < 1e-3


@pytest.mark.data
@pytest.mark.skipif(not DATA, reason="GENEFACE_DATA does not name the folder of real clips")
def test_the_real_whisper() -> None:
    features = open_features(f"whisper:{Path(DATA or '') / 'weights' / 'whisper-base-encoder'}")
    sound = load_audio(Path(DATA or "") / "audio" / "tts__LJ001-0001.wav")[:16_000]
    heard = features.extract(sound)
    assert heard.shape == (50, 512 + PROSODY)
    assert features.name.startswith("whisper-")
    assert 0.5 < heard[:, :512].std() < 2.0
