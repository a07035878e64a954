"""Speech encoders of random weights, small enough for tests, in the layouts of the real ones."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor


def write_whisper(folder: Path, half: bool = False, prefix: str = "encoder.") -> Path:
    """A directory with the encoder of a Whisper of 3 layers, 16 wide."""
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    config = WhisperConfig(d_model=16, encoder_layers=3, encoder_attention_heads=2, encoder_ffn_dim=32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = WhisperEncoder(config)
    tensors = {prefix + name: value.clone().half().float() for name, value in encoder.state_dict().items()}
    tensors["proj_out.weight"] = torch.zeros(3)  # something of the decoder's
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    save_file({name: value.half() if half else value for name, value in tensors.items()}, folder / "model.safetensors")
    return folder


def hubert_weights(large: bool = False) -> dict[str, Tensor]:
    """The state dict of a HuBERT of 3 layers, 64 wide; `large`: normalised as the large model is."""
    torch_model = tiny_hubert(large)
    return {name: value.clone() for name, value in torch_model.state_dict().items()}


def tiny_hubert(large: bool = False) -> torch.nn.Module:
    """The model of `hubert_weights`, through torchaudio's own factory."""
    from torchaudio.models import wav2vec2_model

    kernels = [(10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return wav2vec2_model(
            extractor_mode="layer_norm" if large else "group_norm",
            extractor_conv_layer_config=[(8, kernel, stride) for kernel, stride in kernels],
            extractor_conv_bias=large,
            encoder_embed_dim=64,
            encoder_projection_dropout=0.1,
            encoder_pos_conv_kernel=16,
            encoder_pos_conv_groups=4,
            encoder_num_layers=3,
            encoder_num_heads=1,
            encoder_attention_dropout=0.1,
            encoder_ff_interm_features=32,
            encoder_ff_interm_dropout=0.1,
            encoder_dropout=0.1,
            encoder_layer_norm_first=large,
            encoder_layer_drop=0.05,
            aux_num_out=None,
        ).eval()
