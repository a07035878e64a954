"""Speech features from Whisper's encoder (Radford et al., 2022), through transformers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audio_motion.errors import InputError
from audio_motion.features.blocks import EDGE, EncodedSpeech, Grid
from audio_motion.features.frames import HOP
from audio_motion.features.weights import from_hub, identity, read_weights

LAYER = -1
"""Layer whose output is used where the user names none; -1 is the last."""
GRID = Grid(before=100, new=200, after=50, filled=True)
"""4 s in windows of 7 s. Measured with whisper-base on a minute of read speech: shifting the grid changes 2 to 5 % of
the variance of the features, about as much with blocks of 26 s in Whisper's own 30 s, which look ahead 28 s and are no
faster. A window cut to 7 s agrees with the same window filled up to 30 s as well as two places within 30 s agree."""
_WINDOW = 400
"""Samples of the mel spectrum's window; its step is 160."""


def open_whisper(place: str, layer: int | None, device: str) -> EncodedSpeech:
    """Features from layer `layer` (from 1; None: LAYER) of the encoder in a directory or a repository of the hub.

    A layer's output is taken as what comes next reads it: through the layer norm of the next layer, or of the decoder.
    Without it a few channels of the middle layers are 50 times larger than all others.

    Raises:
        InputError: the weights cannot be had, are not those of a Whisper encoder, or have no such layer.
    """
    folder = Path(place).expanduser()
    if folder.is_dir():
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
    encoder, layer = _encoder(config, weights, tensors, layer)
    width, bins, _ = tensors["conv1.weight"].shape
    return EncodedSpeech(
        name=f"whisper-{identity(tensors, f'1 {GRID}')}-{layer}",
        spec=f"whisper:{place}@{layer}",
        width=width,
        grid=GRID,
        encode=partial(_encode, encoder.to(device), _filters(bins).to(device)),
    )


def _encoder(config: Path, weights: Path, tensors: dict[str, Tensor], layer: int | None) -> tuple[nn.Module, int]:
    """The encoder up to a layer, for windows of GRID's length; and the number of the layer."""
    try:
        from transformers import WhisperConfig
        from transformers.models.whisper.modeling_whisper import WhisperEncoder
    except ImportError as error:
        raise InputError("Whisper features need the package transformers; pip install transformers") from error
    try:
        encoder: Any = WhisperEncoder(WhisperConfig.from_pretrained(config.parent, local_files_only=True))
        encoder.load_state_dict(tensors)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{weights}: does not hold the Whisper encoder of {config} ({reason})") from error
    layers, window = encoder.layers, GRID.before + GRID.new + GRID.after
    number = layer or len(layers) + 1 + LAYER
    if number > len(layers):
        raise InputError(f"{weights}: has no layer {number}; give 1 to {len(layers)}")
    if encoder.config.max_source_positions < window:
        raise InputError(f"{weights}: knows {encoder.config.max_source_positions} positions, {window} are needed")
    if number < len(layers):
        encoder.layer_norm = layers[number].self_attn_layer_norm
        encoder.layers = layers[:number]
    encoder.config.max_source_positions = encoder.max_source_positions = window
    encoder.embed_positions = nn.Embedding.from_pretrained(encoder.embed_positions.weight[:window])
    return encoder.eval(), number


def _encode(encoder: nn.Module, filters: Tensor, sound: Tensor) -> Tensor:
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
    return encoder(mel.T[None]).last_hidden_state[0]


def _filters(bins: int) -> Tensor:
    """float32 [201, bins]: Whisper's mel filters."""
    from torchaudio.functional import melscale_fbanks

    return melscale_fbanks(_WINDOW // 2 + 1, 0.0, 8000.0, bins, 16000, norm="slaney", mel_scale="slaney")
