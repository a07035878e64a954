"""Damage that any file can have, whatever its format: bytes cut off, flipped, zeroed, doubled, taken out, swapped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Rng = np.random.Generator
Damage = Callable[[bytes, Rng], bytes]

EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 62, -1)
"""Numbers at which something overflows, in one width or another."""


def extreme(rng: Rng, width: int, now: int = 0) -> int:
    """An unsigned number of `width` bytes: an extreme one, or one beside the number that stands there `now`."""
    near = (now - 1, now + 1, now * 2, now // 2, now ^ (1 << int(rng.integers(8 * width))))
    choice = near if rng.random() < 0.3 else EXTREMES
    return int(choice[int(rng.integers(len(choice)))]) % (1 << 8 * width)


def _place(data: bytes, rng: Rng) -> int:
    """Somewhere in the file; one in two in the first 512 bytes, where headers are."""
    end = len(data) if rng.random() < 0.5 else min(len(data), 512)
    return int(rng.integers(end + 1))


def _block(data: bytes, rng: Rng) -> tuple[int, int]:
    begin = _place(data, rng)
    return begin, min(len(data), begin + int(2 ** rng.uniform(0, 12)))


def truncated(data: bytes, rng: Rng) -> bytes:
    return data[: int(rng.integers(len(data) + 1)) if rng.random() < 0.8 else int(rng.integers(min(len(data), 64) + 1))]


def flipped(data: bytes, rng: Rng) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 17)) if data else 0):
        changed[min(len(data) - 1, _place(data, rng))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def zeroed(data: bytes, rng: Rng) -> bytes:
    begin, end = _block(data, rng)
    return data[:begin] + bytes([0 if rng.random() < 0.5 else 255]) * (end - begin) + data[end:]


def doubled(data: bytes, rng: Rng) -> bytes:
    begin, end = _block(data, rng)
    return data[:end] + data[begin:]


def taken_out(data: bytes, rng: Rng) -> bytes:
    begin, end = _block(data, rng)
    return data[:begin] + data[end:]


def scrambled(data: bytes, rng: Rng) -> bytes:
    begin, end = _block(data, rng)
    return data[:begin] + rng.bytes(end - begin) + data[end:]


def swapped(data: bytes, rng: Rng) -> bytes:
    cuts = sorted(_place(data, rng) for _ in range(3))
    return data[: cuts[0]] + data[cuts[1] : cuts[2]] + data[cuts[0] : cuts[1]] + data[cuts[2] :]


def with_an_extreme(data: bytes, rng: Rng) -> bytes:
    width = int(rng.choice([1, 2, 4, 8]))
    begin = min(_place(data, rng), max(0, len(data) - width))
    order = "little" if rng.random() < 0.5 else "big"
    return data[:begin] + extreme(rng, width).to_bytes(width, order) + data[begin + width :]  # type: ignore[arg-type]


def lengthened(data: bytes, rng: Rng) -> bytes:
    return data + (rng.bytes(int(rng.integers(1, 4096))) if rng.random() < 0.5 else bytes(int(rng.integers(1, 65536))))


def emptied(data: bytes, rng: Rng) -> bytes:
    return b""


DAMAGES: tuple[Damage, ...] = (
    *(truncated, truncated, flipped, flipped, zeroed, doubled, taken_out, scrambled, swapped),
    *(with_an_extreme, with_an_extreme, lengthened),
)


def damaged(data: bytes, rng: Rng) -> bytes:
    """One kind of damage; one time in fifty nothing is left."""
    if rng.random() < 0.02:
        return emptied(data, rng)
    return DAMAGES[int(rng.integers(len(DAMAGES)))](data, rng)
