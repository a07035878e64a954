"""Damage to safetensors files, and to checkpoints of torch: what the header says, what the tensors hold, and files
that are well made but mean something else, their checksums being right."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save

from audio_motion.tensors import digest, digest_of_header
from tests.fuzz import blocks, texts
from tests.fuzz.blocks import Rng

_LENGTHS = (0, 1, 7, 1 << 20, 100_000_001, 1 << 31, 1 << 40, 1 << 63, (1 << 64) - 1)


def damaged_safetensors(data: bytes, rng: Rng) -> bytes:
    """A safetensors file, damaged in one way."""
    what = rng.random()
    if what < 0.2:
        return blocks.damaged(data, rng)
    if what < 0.3:
        return struct.pack("<Q", _LENGTHS[int(rng.integers(len(_LENGTHS)))]) + data[8:]
    if what < 0.55:
        length = struct.unpack("<Q", data[:8])[0]
        head = texts.text(texts.changed(json.loads(data[8 : 8 + length]), rng)).encode("utf-8", errors="replace")
        return struct.pack("<Q", len(head)) + head + data[8 + length :]
    return _signed_anew(data, rng)


def _signed_anew(data: bytes, rng: Rng) -> bytes:
    """Other contents with the right checksums: damage that only a check of the meaning can find."""
    length = struct.unpack("<Q", data[:8])[0]
    meta = json.loads(data[8 : 8 + length])["__metadata__"]
    tensors = load(data)
    named = next((name for name in ("info", "clips") if name in meta), None)
    if rng.random() < 0.6 or named is None:
        tensors = _other_tensors(tensors, rng)
    said = meta.get(named, "{}")
    if rng.random() < 0.6 and named is not None:
        info = json.loads(said)
        part = info["config"] if isinstance(info, dict) and "config" in info and rng.random() < 0.6 else info
        spoilt = texts.changed(part, rng)
        info = {**info, "config": spoilt} if isinstance(info, dict) and part is not info else spoilt
        if isinstance(info, dict) and "sha256" in info:
            info["sha256"] = digest(tensors)
        said = texts.text(info)
    elif named == "info" and "sha256" in json.loads(said):
        said = json.dumps({**json.loads(said), "sha256": digest(tensors)})
    meta = {**meta, named or "info": said.encode("utf-8", errors="replace").decode()}
    if "sha256" in meta:
        meta["sha256"] = _seal(meta, named, tensors)
    return save(tensors, meta)


def _seal(meta: dict[str, str], named: str | None, tensors: dict[str, torch.Tensor]) -> str:
    import hashlib

    if named == "clips":
        return hashlib.sha256(meta["clips"].encode()).hexdigest()
    return digest_of_header(meta["info"], tensors)


def _other_tensors(tensors: dict[str, torch.Tensor], rng: Rng) -> dict[str, torch.Tensor]:
    names = sorted(tensors)
    name, other = (names[int(rng.integers(len(names)))] for _ in range(2))
    value = tensors[name]
    what = int(rng.integers(8))
    if what == 0:
        return {key: each for key, each in tensors.items() if key != name}
    if what == 1:
        tensors[name] = tensors[other].clone()
    elif what == 2:
        tensors[name] = value.to(
            (torch.float64, torch.float16, torch.int64, torch.bool, torch.uint8)[int(rng.integers(5))]
        )
    elif what == 3:
        tensors[name] = value.reshape(-1) if rng.random() < 0.5 else value[None].contiguous()
    elif what == 4:
        tensors[name] = torch.zeros((0, *value.shape[1:]))
    elif what == 5:
        tensors[name + "x"] = torch.zeros(3_000_000)
    elif value.dtype == torch.uint8:
        changed = blocks.damaged(value.numpy().tobytes(), rng)
        tensors[name] = torch.from_numpy(np.frombuffer(changed, np.uint8).copy())
    elif value.is_floating_point() and value.numel():
        number = float((np.nan, np.inf, 1e38, -1e38, 1e20, 1e5, 0.0)[int(rng.integers(7))])
        tensors[name] = torch.full(value.shape, number).to(value.dtype)
    return tensors


def damaged_checkpoint(data: bytes, rng: Rng) -> bytes:
    """A checkpoint of torch: its bytes, or what it holds."""
    if rng.random() < 0.4:
        return blocks.damaged(data, rng)
    contents = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    if rng.random() < 0.4:
        contents["pipeline"] = _other_tensors(contents["pipeline"], rng)
    else:
        about = {key: value for key, value in contents.items() if key != "pipeline"}
        spoilt = _without_raw(texts.changed(json.loads(json.dumps(about)), rng))
        contents = {**spoilt, "pipeline": contents["pipeline"]} if isinstance(spoilt, dict) else spoilt
    written = io.BytesIO()
    torch.save(contents, written)
    return written.getvalue()


def _without_raw(value: Any) -> Any:
    if isinstance(value, texts.Raw):
        return {"NaN": np.nan, "Infinity": np.inf, "1e999": np.inf}.get(value.text, [[[[]]]])
    if isinstance(value, dict):
        return {key: _without_raw(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_raw(each) for each in value]
    return value.encode("utf-8", errors="replace").decode() if isinstance(value, str) else value
