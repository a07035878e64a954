"""Speech features from HuBERT (Hsu et al., 2021), through torchaudio."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audio_motion.errors import InputError
from audio_motion.features.blocks import EDGE, EncodedSpeech, Grid
from audio_motion.features.weights import fetched, identity, read_weights

LAYER = -1
"""Layer whose output is used where the user names none; -1 is the last."""
GRID = Grid(before=100, new=200, after=50, filled=False)
"""4 s in windows of 7 s. They end where the sound does: HuBERT normalises over a window's length and was trained on
utterances without silence around them."""
PIPELINES = {
    "HUBERT_BASE": "hubert_fairseq_base_ls960.pth",
    "HUBERT_LARGE": "hubert_fairseq_large_ll60k.pth",
    "HUBERT_XLARGE": "hubert_fairseq_xlarge_ll60k.pth",
}
"""torchaudio.pipelines -> files at _SERVER."""
_SERVER = "https://download.pytorch.org/torchaudio/models/"
_EDGE = 40
"""Samples on either side of a frame's own 320 that the convolutions hear: output i is centred at 200 + 320 i."""


def open_hubert(place: str, layer: int | None, device: str) -> EncodedSpeech:
    """Features from layer `layer` (from 1; None: LAYER) of a pipeline of torchaudio or of weights in a file.

    Of the large models, which normalise in front of a layer, a layer's output is taken as what comes next reads it:
    through the next layer's norm, or the last one.

    Raises:
        InputError: the weights cannot be had, are not those of a HuBERT, or have no such layer.
    """
    if place in PIPELINES:
        # Where torchaudio itself looks for them.
        path = fetched(_SERVER + PIPELINES[place], Path(torch.hub.get_dir()) / "checkpoints" / PIPELINES[place])
    else:
        path = Path(place).expanduser()
        if not path.is_file():
            known = ", ".join(PIPELINES)
            raise InputError(f"{path}: no such file of weights, and not one of {known}; download weights and name them")
        place = str(path.resolve())
    tensors = {name: value for name, value in read_weights(path).items() if not name.startswith("aux.")}
    model, layer = _model(path, tensors, layer)
    return EncodedSpeech(
        name=f"hubert-{identity(tensors, f'1 {GRID}')}-{layer}",
        spec=f"hubert:{place}@{layer}",
        width=len(tensors["encoder.transformer.layer_norm.bias"]),
        grid=GRID,
        encode=partial(_encode, model.to(device), _is_large(tensors), torch.device(device)),
    )


def _model(path: Path, tensors: dict[str, Tensor], layer: int | None) -> tuple[nn.Module, int]:
    """The model up to a layer, its sizes read off the weights; and the number of the layer."""
    from torchaudio.models import wav2vec2_model

    blocks = "encoder.transformer.layers."
    try:
        convolutions = [
            tensors[f"feature_extractor.conv_layers.{i}.conv.weight"].shape
            for i in range(sum(name.startswith("feature_extractor") and "conv.weight" in name for name in tensors))
        ]
        position = "encoder.transformer.pos_conv_embed.conv."
        # The names before and after torch rewrote weight normalisation.
        kernel = tensors.get(f"{position}weight_v", tensors.get(f"{position}parametrizations.weight.original1"))
        if kernel is None or not convolutions:
            raise KeyError(position)
        width, per_group, reach = kernel.shape
        large = _is_large(tensors)
        model = wav2vec2_model(
            extractor_mode="layer_norm" if large else "group_norm",
            extractor_conv_layer_config=[(shape[0], shape[2], 2 if i else 5) for i, shape in enumerate(convolutions)],
            extractor_conv_bias="feature_extractor.conv_layers.0.conv.bias" in tensors,
            encoder_embed_dim=width,
            encoder_projection_dropout=0.0,
            encoder_pos_conv_kernel=reach,
            encoder_pos_conv_groups=width // per_group,
            encoder_num_layers=len({name.split(".")[3] for name in tensors if name.startswith(blocks)}),
            encoder_num_heads=16 if width == 1280 else width // 64,
            encoder_attention_dropout=0.0,
            encoder_ff_interm_features=len(tensors[f"{blocks}0.feed_forward.intermediate_dense.bias"]),
            encoder_ff_interm_dropout=0.0,
            encoder_dropout=0.0,
            encoder_layer_norm_first=large,
            encoder_layer_drop=0.0,
            aux_num_out=None,
        )
        model.load_state_dict(tensors)
    except (KeyError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a HuBERT in torchaudio's layout ({reason})") from error
    transformer: Any = model.encoder.transformer
    layers = transformer.layers
    number = layer or len(layers) + 1 + LAYER
    if number > len(layers):
        raise InputError(f"{path}: has no layer {number}; give 1 to {len(layers)}")
    if large and number < len(layers):
        transformer.layer_norm = layers[number].layer_norm
    transformer.layers = layers[:number]
    return model.eval(), number


def _is_large(tensors: dict[str, Tensor]) -> bool:
    """Whether they are of the large or the extra large model: these normalise the sound, all their convolutions, and in
    front of their layers; the base model the first convolution, and behind its layers."""
    return "feature_extractor.conv_layers.1.layer_norm.weight" in tensors


def _encode(model: nn.Module, normalised: bool, device: torch.device, sound: Tensor) -> Tensor:
    """[EDGE + 320 n + EDGE] samples around n frames -> [n, width]."""
    heard = sound[EDGE - _EDGE : len(sound) - EDGE + _EDGE].to(device)
    if normalised:
        heard = nn.functional.layer_norm(heard, heard.shape)
    return model(heard[None])[0][0]
