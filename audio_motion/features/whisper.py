"""Speech features from Whisper's encoder (Radford et al., 2022): its first layers come with the package."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor

from audio_motion.errors import InputError
from audio_motion.features.blocks import EDGE, EncodedSpeech, Grid
from audio_motion.features.eight_bits import restored
from audio_motion.features.frames import HOP
from audio_motion.features.weights import from_hub, identity, read_weights
from audio_motion.features.whisper_encoder import WhisperEncoder, layer_count
from audio_motion.features.whisper_fetch import SHA256, whisper_folder
from audio_motion.files import need_file
from audio_motion.json_file import read_json

PACKAGED = Path(__file__).parents[1] / "weights" / "whisper.safetensors"
"""The first two layers of Whisper tiny.en in eight bits, of `benchmarks/shrink_whisper.py`."""
PACKAGED_LAYERS, PACKAGED_HEADS = 2, 6
PACKAGED_GRID = Grid(before=25, new=200, after=25, filled=True)
"""4 s in windows of 5 s. Windows of 7 s say hardly more (docs/benchmarks.md) and take a third longer."""
GRID = Grid(before=100, new=200, after=50, filled=True)
"""4 s in windows of 7 s. Measured with whisper-base on a minute of read speech: shifting the grid changes 2 to 5 % of
the variance of the features, about as much with blocks of 26 s in Whisper's own 30 s, which look ahead 28 s and are no
faster. A window cut to 7 s agrees with the same window filled up to 30 s as well as two places within 30 s agree."""
_WINDOW = 400
"""Samples of the mel spectrum's window; its step is 160."""


@lru_cache(maxsize=2)
def packaged_whisper(device: str) -> EncodedSpeech:
    """Features from what comes with the package: they need nothing from elsewhere."""
    tensors = restored(read_weights(PACKAGED))
    return _speech("whisper", tensors, PACKAGED_HEADS, PACKAGED_LAYERS, PACKAGED_GRID, device)


def open_whisper(place: str, layer: int | None, device: str) -> EncodedSpeech:
    """Features from a layer of an encoder.

    Args:
        place: a directory, a size that `fetch_whisper` has brought, or a repository of the hub.
        layer: from 1; None: the middle one, which says most about the mouth (docs/benchmarks.md).

    Raises:
        InputError: the weights cannot be had, are not those of a Whisper encoder, or have no such layer.
    """
    folder = Path(place).expanduser()
    if place in SHA256:
        config, weights = whisper_folder(place) / "config.json", whisper_folder(place) / "model.safetensors"
        need_file(config, f"bring it with `audio-motion fetch whisper:{place}`")
    elif folder.is_dir():
        place = str(folder.resolve())
        config, weights = folder / "config.json", folder / "model.safetensors"
        if not config.is_file():
            raise InputError(f"{folder}: has no config.json; put Whisper's config.json and model.safetensors there")
    elif place.startswith((".", "/", "~")):
        raise InputError(f"{place}: no such directory; put Whisper's config.json and model.safetensors there")
    else:
        config, weights = from_hub(place, ["config.json", "model.safetensors"])
    # Keys begin with "model.encoder." in the hub's files and with "encoder." where the encoder alone was saved.
    tensors = {
        name.split("encoder.", 1)[1]: value.float()
        for name, value in read_weights(weights).items()
        if name.startswith(("encoder.", "model.encoder."))
    }
    count = layer_count(tensors)
    number = layer or (count + 1) // 2
    if count and number > count:
        raise InputError(f"{weights}: has no layer {number}; give 1 to {count}")
    heads = read_json(config, "put Whisper's config.json there").get("encoder_attention_heads")
    if not isinstance(heads, int) or heads < 1:
        raise InputError(f"{config}: says nothing of encoder_attention_heads; put Whisper's config.json there")
    try:
        return _speech(f"whisper:{place}@{number}", tensors, heads, number, GRID, device)
    except (LookupError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{weights}: does not hold the Whisper encoder of {config} ({reason})") from error


def _speech(spec: str, tensors: dict[str, Tensor], heads: int, layers: int, grid: Grid, device: str) -> EncodedSpeech:
    """Raises LookupError, ValueError or RuntimeError where the tensors are not those of such an encoder."""
    width, bins, _ = tensors["conv1.weight"].shape
    encoder = WhisperEncoder(tensors, heads, layers, grid.before + grid.new + grid.after)
    return EncodedSpeech(
        name=f"whisper-{identity(tensors, f'1 {grid}')}-{layers}",
        spec=spec,
        width=width,
        grid=grid,
        encode=partial(_encode, encoder.eval().to(device), _filters(bins).to(device)),
    )


def _encode(encoder: WhisperEncoder, filters: Tensor, sound: Tensor) -> Tensor:
    """[EDGE + 320 n + EDGE] samples around n frames -> [n, width].

    Whisper's output i is centred on its mel frame 2 i, which is the middle of our frame i when the mel frames begin
    half a frame (10 ms) late.
    """
    late = sound[EDGE + HOP // 2 - _WINDOW // 2 :]
    count = (len(sound) - 2 * EDGE) // HOP
    spectrum = torch.fft.rfft(
        late.to(filters.device).unfold(0, _WINDOW, 160)[: 2 * count] * torch.hann_window(_WINDOW, device=filters.device)
    )
    log = (spectrum.abs().square() @ filters).clamp(min=1e-10).log10()
    mel = (torch.maximum(log, log.max() - 8.0) + 4.0) / 4.0
    return encoder(mel.T)


def _filters(bins: int) -> Tensor:
    """float32 [201, bins]: Whisper's mel filters."""
    from torchaudio.functional import melscale_fbanks

    return melscale_fbanks(_WINDOW // 2 + 1, 0.0, 8000.0, bins, 16000, norm="slaney", mel_scale="slaney")
