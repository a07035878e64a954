"""Larger Whispers, brought once from where OpenAI publishes them, and kept as the Hugging Face hub would have them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from safetensors.torch import save

from audio_motion.errors import InputError, one_line
from audio_motion.features.cache import cache_folder
from audio_motion.features.weights import fetched
from audio_motion.files import written_whole

_SERVER = "https://openaipublic.azureedge.net/main/whisper/models"
SHA256 = {
    "tiny": "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9",
    "base": "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e",
    "small": "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794",
}
"""Of the files that hold the multilingual ones; OpenAI's own package compares the same."""
_NAMES = {
    r"positional_embedding": "embed_positions.weight",
    r"ln_post": "layer_norm",
    r"^blocks": "layers",
    r"attn_ln": "self_attn_layer_norm",
    r"mlp_ln": "final_layer_norm",
    r"attn\.query": "self_attn.q_proj",
    r"attn\.key": "self_attn.k_proj",
    r"attn\.value": "self_attn.v_proj",
    r"attn\.out": "self_attn.out_proj",
    r"mlp\.0": "fc1",
    r"mlp\.2": "fc2",
}
"""Parts of OpenAI's names for an encoder's tensors -> of the hub's."""


def whisper_folder(size: str) -> Path:
    """Where the encoder of that size is kept."""
    return cache_folder() / f"whisper-{size}"


def fetch_whisper(size: str) -> Path:
    """The folder with the encoder of a multilingual Whisper, which is brought from the network if it is not there yet.

    Args:
        size: of SHA256.

    Raises:
        InputError: it is not there and cannot be had, or cannot be written.
    """
    folder = whisper_folder(size)
    config = folder / "config.json"
    if config.is_file():
        return folder
    url, whole = f"{_SERVER}/{SHA256[size]}/{size}.pt", folder / f"{size}.pt"
    fetched(url, whole, SHA256[size])
    try:
        found = torch.load(whole, map_location="cpu", weights_only=True)
        tensors = {
            _renamed(name.removeprefix("encoder.")): value.half()
            for name, value in found["model_state_dict"].items()
            if name.startswith("encoder.")
        }
        heads = int(found["dims"]["n_audio_head"])
    except Exception as error:  # a pickle is a program: it may raise anything
        raise InputError(f"{whole}: not OpenAI's Whisper ({one_line(error)}); remove it and fetch it again") from error
    contents: dict[Path, bytes] = {
        folder / "model.safetensors": save({f"encoder.{name}": value for name, value in tensors.items()}),
        config: json.dumps({"encoder_attention_heads": heads}).encode(),  # the last: with it all is there
    }
    for path, written in contents.items():
        with written_whole(path) as temporary:
            temporary.write_bytes(written)
    whole.unlink()
    return folder


def _renamed(name: str) -> str:
    for theirs, ours in _NAMES.items():
        name = re.sub(theirs, ours, name)
    return name
