"""Damage to media files that knows their formats: each is told as the numbers in it that say how much of something
there is, and the pieces that it is made of. What is done to them is the same for all."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.fuzz.blocks import Rng, extreme


@dataclass
class Anatomy:
    """What a file is made of."""

    numbers: list[tuple[int, int]] = field(default_factory=list)
    """First byte and width of numbers: sizes, counts, rates, durations."""
    pieces: list[tuple[int, int]] = field(default_factory=list)
    """First byte and end of boxes, chunks, pages, packets."""
    order: str = "big"
    names: list[int] = field(default_factory=list)
    """First bytes of names of 4 letters."""


_HOLDERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"dinf", b"moof", b"traf", b"mvex"}
_TABLES = {b"stts": 8, b"ctts": 8, b"stsc": 12, b"stco": 4, b"stss": 4, b"elst": 12}
_HEADS = {
    b"mvhd": ((12, 4), (16, 4)),
    b"mdhd": ((12, 4), (16, 4)),
    b"tkhd": ((12, 4), (20, 4), *((40 + 4 * i, 4) for i in range(9)), (76, 4), (80, 4)),
    b"stsz": ((4, 4), (8, 4)),
    b"stsd": ((4, 4), (8, 4), (22, 2), (32, 2), (34, 2), (40, 2), (42, 2), (40, 4), (48, 4)),
}
"""Where numbers stand in the contents of a box; in stsd those of pictures and of sound."""


def mp4(data: bytes) -> Anatomy:
    """Boxes of mp4, mov and m4a."""
    found = Anatomy()
    _boxes(data, 0, len(data), found)
    return found


def _boxes(data: bytes, begin: int, end: int, found: Anatomy) -> None:
    while begin + 8 <= end:
        size = int.from_bytes(data[begin : begin + 4], "big")
        name, inside = data[begin + 4 : begin + 8], begin + 8
        stop = begin + size if size >= 8 else end
        found.numbers.append((begin, 4))
        found.names.append(begin + 4)
        found.pieces.append((begin, min(stop, end)))
        if name in _HOLDERS:
            _boxes(data, inside, min(stop, end), found)
        elif name in _HEADS:
            found.numbers += [(inside + at, width) for at, width in _HEADS[name]]
            if name == b"stsd":
                found.names.append(inside + 12)
                found.numbers += [(at, 2) for at in range(inside + 94, min(stop, end) - 1)]  # what decoders are told
        elif name in _TABLES:
            rows = range(inside + 8, min(stop, end) - 3, 4)
            found.numbers += [(inside + 4, 4)] * 4 + [(at, 4) for at in rows]
        elif name == b"hdlr":
            found.names.append(inside + 8)
        begin = max(stop, begin + 8)


def riff(data: bytes) -> Anatomy:
    """Chunks of wav and avi."""
    found = Anatomy(order="little", numbers=[(4, 4)])
    _chunks(data, 12, len(data), found)
    return found


def _chunks(data: bytes, begin: int, end: int, found: Anatomy) -> None:
    while begin + 8 <= end:
        name, size = data[begin : begin + 4], int.from_bytes(data[begin + 4 : begin + 8], "little")
        stop = min(end, begin + 8 + size + size % 2)
        found.numbers.append((begin + 4, 4))
        found.names.append(begin)
        found.pieces.append((begin, stop))
        if name == b"LIST" and data[begin + 8 : begin + 12] != b"movi":
            _chunks(data, begin + 12, stop, found)
        elif name == b"LIST":
            _chunks(data, begin + 12, min(stop, begin + 4000), found)
        elif name == b"fmt ":
            found.numbers += [
                (begin + 8 + at, width) for at, width in ((0, 2), (2, 2), (4, 4), (8, 4), (12, 2), (14, 2))
            ] * 3
        elif name in (b"avih", b"strh", b"strf"):
            found.numbers += [(at, 4) for at in range(begin + 8, stop - 3, 4)]
        begin = max(stop, begin + 8)


def matroska(data: bytes) -> Anatomy:
    """Elements of mkv and webm, down to the blocks."""
    found = Anatomy()
    _elements(data, 0, len(data), found)
    return found


_NESTED = {0x18538067, 0x1654AE6B, 0xAE, 0xE0, 0xE1, 0x1549A966, 0x1F43B675, 0x114D9B74, 0x1C53BB6B, 0xBB, 0xB7, 0xA0}
"""Segment, Tracks, TrackEntry, Video, Audio, Info, Cluster, SeekHead, Cues, CuePoint, CueTrackPositions, BlockGroup."""


def _elements(data: bytes, begin: int, end: int, found: Anatomy) -> None:
    while begin + 2 <= end:
        name, after = _variable(data, begin, keep=True)
        size, inside = _variable(data, after, keep=False)
        if inside <= after or after <= begin:
            return
        unknown = size == (1 << 7 * (inside - after)) - 1
        stop = end if unknown else min(end, inside + size)
        found.numbers.append((after, inside - after))
        found.pieces.append((begin, stop))
        if name in _NESTED:
            _elements(data, inside, stop, found)
        elif stop - inside <= 8:
            found.numbers += [(inside, stop - inside)] if stop > inside else []
        else:
            found.numbers += [(inside, 1), (inside + 1, 2), (inside + 3, 1)]  # of a block: track, time, flags
        begin = max(stop, begin + 2)


def _variable(data: bytes, begin: int, keep: bool) -> tuple[int, int]:
    """A number of variable length and where it ends; `keep`: its marker too, as in names."""
    if begin >= len(data) or data[begin] == 0:
        return 0, begin
    length = 9 - data[begin].bit_length()
    number = int.from_bytes(data[begin : begin + length], "big")
    return (number if keep else number & ((1 << 7 * length) - 1)), begin + length


def ogg(data: bytes) -> Anatomy:
    """Pages; `sealed` makes their checksums right again."""
    found = Anatomy(order="little")
    for begin, end in _pages(data):
        found.pieces.append((begin, end))
        found.numbers += [
            (begin + 6, 8),
            (begin + 14, 4),
            (begin + 18, 4),
            (begin + 5, 1),
            (begin + 26, 1),
            (begin + 27, 1),
        ]
    for begin, _ in found.pieces[:2]:  # what decoders are told
        found.numbers += [(at, 4) for at in range(begin + 28, min(begin + 60, len(data) - 4))]
    return found


def _pages(data: bytes) -> Iterator[tuple[int, int]]:
    begin = data.find(b"OggS")
    while begin >= 0:
        after = data.find(b"OggS", begin + 4)
        yield begin, after if after >= 0 else len(data)
        begin = after


def sealed(data: bytes) -> bytes:
    """An ogg file whose pages have the checksums of what is in them."""
    pages = bytearray(data)
    for begin, end in _pages(data):
        if end - begin >= 27:
            pages[begin + 22 : begin + 26] = bytes(4)
            pages[begin + 22 : begin + 26] = struct.pack("<I", _checksum(pages[begin:end]))
    return bytes(pages)


def _row(value: int) -> int:
    for _ in range(8):
        value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
    return value


_ROWS = [_row(byte << 24) for byte in range(256)]


def _checksum(page: bytes | bytearray) -> int:
    register = 0
    for byte in page:
        register = (register << 8) & 0xFFFFFFFF ^ _ROWS[register >> 24 ^ byte]
    return register


def transport(data: bytes) -> Anatomy:
    """Packets of ts, and the bytes of their headers and of the times that begin in them."""
    found = Anatomy()
    for begin in range(0, len(data) - 187, 188):
        found.pieces.append((begin, begin + 188))
        found.numbers += [(begin + 1, 2), (begin + 3, 1), (begin + 4, 1)]
        start = data.find(b"\0\0\1", begin + 4, begin + 60)
        if data[begin + 1] & 0x40 and start >= 0:
            found.numbers += [(start + at, 1) for at in (4, 5, 7, 8, 9, 10, 11, 13, 14, 16)]
    return found


def flac(data: bytes) -> Anatomy:
    """The header, which says the rate, channels and number of samples, and frames."""
    starts = [at for at in range(42, len(data) - 1) if data[at] == 0xFF and data[at + 1] & 0xFE == 0xF8]
    numbers = [(5, 3), (8, 2), (10, 2), (12, 3), (18, 3), (20, 2), (21, 5)] * 4
    return Anatomy(numbers + [(at + 2, 2) for at in starts], list(zip(starts, [*starts[1:], len(data)], strict=False)))


def mp3(data: bytes) -> Anatomy:
    """Frames, and the size that the tag before them says."""
    starts = [at for at in range(len(data) - 1) if data[at] == 0xFF and data[at + 1] & 0xE0 == 0xE0]
    numbers = [(6, 4), (4, 2)] + [(at + 2, 2) for at in starts] + [(at + 1, 3) for at in starts[:3] * 5]
    return Anatomy(numbers, list(zip(starts, [*starts[1:], len(data)], strict=False)))


ANATOMIES: dict[str, Callable[[bytes], Anatomy]] = {
    **{"mp4": mp4, "mov": mp4, "m4a": mp4, "mkv": matroska, "webm": matroska, "wav": riff, "avi": riff},
    **{"ogg": ogg, "ts": transport, "flac": flac, "mp3": mp3},
}


def damaged(data: bytes, form: str, rng: Rng) -> bytes:
    """Numbers made extreme, pieces doubled, taken out or swapped, names changed; one to three times."""
    for _ in range(int(rng.integers(1, 4))):
        found = ANATOMIES[form](data)
        what = rng.random()
        if what < 0.5 and found.numbers:
            data = _number(data, found, rng)
        elif what < 0.65 and found.names:
            data = _renamed(data, found, rng)
        elif found.pieces:
            data = _moved(data, found, rng)
    return sealed(data) if form == "ogg" and rng.random() < 0.8 else data


def _number(data: bytes, found: Anatomy, rng: Rng) -> bytes:
    begin, width = found.numbers[int(rng.integers(len(found.numbers)))]
    now = int.from_bytes(data[begin : begin + width], found.order)  # type: ignore[arg-type]
    put = extreme(rng, width, now).to_bytes(width, found.order)  # type: ignore[arg-type]
    return data[:begin] + put + data[begin + width :]


def _renamed(data: bytes, found: Anatomy, rng: Rng) -> bytes:
    """A name becomes another one of the file: streams change places, formats change codecs."""
    to, of = (found.names[int(rng.integers(len(found.names)))] for _ in range(2))
    return data[:to] + data[of : of + 4] + data[to + 4 :]


def _moved(data: bytes, found: Anatomy, rng: Rng) -> bytes:
    begin, end = found.pieces[int(rng.integers(len(found.pieces)))]
    piece, what = data[begin:end], rng.random()
    if what < 0.35:
        return data[:begin] + data[end:]
    if what < 0.6:
        times = 2 if rng.random() < 0.7 or len(piece) > 1000 else 200
        return data[:begin] + piece * times + data[end:]
    other, stop = found.pieces[int(rng.integers(len(found.pieces)))]
    if end <= other:
        return data[:begin] + data[other:stop] + data[end:other] + piece + data[stop:]
    return data[:other] + piece + data[other:]
