"""Damage to npz files: what stands in the arrays, what their headers say of them, and the zip file around."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable

import numpy as np

from tests.fuzz import blocks, texts
from tests.fuzz.blocks import Rng

Arrays = dict[str, np.ndarray]
_KINDS = ("<f2", "<f8", ">f4", "<i4", "<u8", "|b1", "<c8", "<U9", "|S4", "<M8[s]", "|O", "|V12", "<f4,<f4")
_SHAPES = (
    *("(1000000000000, 68, 3)", "(-1, 68, 3)", "(4294967296, 4294967296)", "(0, 68, 3)", "()", "(True,)", "(1.5,)"),
    *("('a',)", "(9223372036854775807,)", "10", "[3, 4]", "(" * 500 + ")" * 500, "(1,) * 10**9", "(2, 68, 3)"),
    *("(" + "1, " * 40 + ")", "__import__('os')", "(0x10,)", "(10_0,)"),
)


def damaged(data: bytes, rng: Rng) -> bytes:
    """An npz file, damaged in one way."""
    ways: tuple[Callable[[bytes, Rng], bytes], ...]
    ways = (
        with_other_values,
        with_other_values,
        with_other_arrays,
        with_other_header,
        with_other_header,
        with_other_zip,
    )
    if rng.random() < 0.2:
        return blocks.damaged(data, rng)
    return ways[int(rng.integers(len(ways)))](data, rng)


def packed(arrays: Arrays) -> bytes:
    contents = io.BytesIO()
    np.savez(contents, **arrays)  # type: ignore[arg-type]
    return contents.getvalue()


def unpacked(data: bytes) -> Arrays:
    with np.load(io.BytesIO(data)) as file:
        return {name: file[name] for name in file.files}


def with_other_values(data: bytes, rng: Rng) -> bytes:
    """NaN, infinities, huge and tiny numbers in the arrays; another text."""
    arrays = unpacked(data)
    name = sorted(arrays)[int(rng.integers(len(arrays)))]
    array = arrays[name]
    if array.dtype.kind == "U":
        said = str(array)
        info = texts.text(texts.changed(json.loads(said), rng)) if said.startswith("{") else said * 1000
        return packed({**arrays, name: np.array(info.replace("\0", ""))})
    values = (np.nan, np.inf, -np.inf, 1e38, -1e38, 1e30, 1e10, 1e6, 1e3, -5.0, 0.0, 1e-38, 2.0)
    value = values[int(rng.integers(len(values)))]
    array = array.copy().reshape(-1) if rng.random() < 0.5 else np.full(array.size, 0.0).astype(array.dtype)
    with np.errstate(all="ignore"):
        where = slice(None) if rng.random() < 0.3 else int(rng.integers(max(1, array.size)))
        if array.size:
            array[where] = np.array(value).astype(array.dtype)
    return packed({**arrays, name: array.reshape(arrays[name].shape)})


def with_other_arrays(data: bytes, rng: Rng) -> bytes:
    """Missing, swapped, of another shape, length or kind, far too long."""
    arrays = unpacked(data)
    name, other = (sorted(arrays)[int(rng.integers(len(arrays)))] for _ in range(2))
    array = arrays[name]
    what = int(rng.integers(8))
    if what == 0:
        del arrays[name]
    elif what == 1:
        arrays[name] = arrays[other]
    elif what == 2:
        arrays[name] = array[..., None] if rng.random() < 0.5 else array.reshape(-1)
    elif what == 3:
        arrays = {key: each[: int(rng.integers(3))] if each.ndim else each for key, each in arrays.items()}
    elif what == 4:
        with np.errstate(all="ignore"):
            arrays[name] = (
                array.astype("U12" if array.dtype.kind != "U" else "S9")
                if rng.random() < 0.3
                else (np.zeros(array.shape, _KINDS[int(rng.integers(10))]))
            )
    elif what == 5:
        arrays = {key: np.repeat(each, 40, axis=0) if each.ndim else each for key, each in arrays.items()}
    elif what == 6:
        arrays[name] = np.zeros((0, *array.shape[1:]), array.dtype)
    else:
        arrays[name] = np.asfortranarray(array)[::-1] if array.ndim else np.array([array, array])
    return packed(arrays)


def with_other_header(data: bytes, rng: Rng) -> bytes:
    """The header of an array says another shape or kind than what lies there; the checksums of the zip are right."""

    def spoilt(name: str, contents: bytes) -> bytes:
        length = struct.unpack("<H", contents[8:10])[0]
        head, body = contents[10 : 10 + length].decode("latin1"), contents[10 + length :]
        what = int(rng.integers(5))
        if what == 0:
            shape = head[head.index("(") : head.index(")") + 1]
            head = head.replace(shape, _SHAPES[int(rng.integers(len(_SHAPES)))])
        elif what == 1:
            kind = head.split("'descr': ")[1].split(", 'fort")[0]
            head = head.replace(kind, repr(_KINDS[int(rng.integers(len(_KINDS)))]))
        elif what == 2:
            head = texts.damaged_text(head.encode(), rng).decode("latin1")
        elif what == 3:
            version = (b"\2\0", b"\3\0", b"\0\0", b"\xff\xff")[int(rng.integers(4))]
            return contents[:6] + version + contents[8:]
        else:
            return blocks.damaged(contents, rng)
        told = struct.pack("<H", min(65535, len(head)))
        return contents[:8] + told + head.encode("latin1", errors="replace") + body

    return _rezipped(data, rng, spoilt)


def with_other_zip(data: bytes, rng: Rng) -> bytes:
    """Numbers in the zip's own records, packing that nobody knows, a member twice, a bomb."""
    what = int(rng.integers(4))
    if what == 0:
        contents = io.BytesIO(data)
        with zipfile.ZipFile(contents, "a", zipfile.ZIP_DEFLATED) as file:
            file.writestr("bomb.npy" if rng.random() < 0.5 else "landmarks.npy", bytes(200_000_000))
        return contents.getvalue()
    if what == 1:
        packing = (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)[int(rng.integers(2))]
        return _rezipped(data, rng, lambda name, contents: contents, packing)
    records = [at for at in range(len(data) - 30) if data[at : at + 4] in (b"PK\1\2", b"PK\5\6", b"PK\3\4")]
    at = records[int(rng.integers(len(records)))] + int(rng.integers(4, 46))
    width = int(rng.choice([1, 2, 4]))
    now = int.from_bytes(data[at : at + width], "little")
    return data[:at] + blocks.extreme(rng, width, now).to_bytes(width, "little") + data[at + width :]


def _rezipped(data: bytes, rng: Rng, spoilt: Callable[[str, bytes], bytes], packing: int = zipfile.ZIP_STORED) -> bytes:
    """The same members, one of them spoilt."""
    contents = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(contents, "w", packing) as new:
        names = old.namelist()
        chosen = names[int(rng.integers(len(names)))]
        for name in names:
            member = old.read(name)
            new.writestr(zipfile.ZipInfo(name), spoilt(name, member) if name == chosen else member, packing)
    return contents.getvalue()
