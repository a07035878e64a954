"""Damage to JSON, and to other text: values that are none, wrong types, huge numbers, deep nesting, no UTF-8."""

from __future__ import annotations

import copy
import json
from typing import Any

from tests.fuzz import blocks
from tests.fuzz.blocks import Rng


class Raw:
    """Text that stands in a JSON file as it is."""

    def __init__(self, text: str) -> None:
        self.text = text


HOSTILE: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        0.5,
        1e-320,
        1e30,
        1e308,
        -1e308,
        2**31,
        2**63,
        10**19,
        "",
        "a",
        "1",
        "nan",
        "train",
    ),
    *(
        [],
        [[]],
        {},
        {"": 0},
        [None],
        [[1, 2], [3]],
        ["a"],
        {"a": {"b": []}},
        "x" * 100_000,
        "\0",
        "\ud800",
        "ü\n\u2028",
    ),
    *("../../etc/passwd", "/dev/zero", "/dev/stdin", ".", "..", "test", "nul\0.wav", [0] * 10_000),
    *(Raw("NaN"), Raw("Infinity"), Raw("-Infinity"), Raw("1e999"), Raw("1" * 5000), Raw("-0"), Raw("1e-999")),
    *(Raw("[" * 100_000), Raw("[" * 500 + "]" * 500), Raw("[" * 90_000 + "]" * 90_000), Raw('{"a":' * 50_000)),
    *(Raw('{"a":' * 20_000 + "1" + "}" * 20_000), Raw("01"), Raw("'a'"), Raw("")),
)


def hostile(rng: Rng) -> Any:
    return copy.deepcopy(HOSTILE[int(rng.integers(len(HOSTILE)))])


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """The paths of everything below a JSON value; of long lists the first, the last and one between."""
    found = [path]
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = sorted({0, len(value) // 2, len(value) - 1}) if value else []
    else:
        return found
    for key in keys:
        found += places(value[key], (*path, key))
    return found


def changed(value: Any, rng: Rng) -> Any:
    """A JSON value with one to three changes somewhere in it."""
    value = copy.deepcopy(value)
    for _ in range(int(rng.integers(1, 4))):
        value = _changed_once(value, rng)
    return value


def _changed_once(value: Any, rng: Rng) -> Any:
    known = places(value)[1:]
    if not known or rng.random() < 0.03:
        return hostile(rng)
    path = known[int(rng.integers(len(known)))]
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    what = rng.random()
    if what < 0.55:
        holder[path[-1]] = hostile(rng)
    elif what < 0.65:
        del holder[path[-1]]
    elif what < 0.75:
        other = known[int(rng.integers(len(known)))]
        there = value
        for key in other:
            there = there[key]
        holder[path[-1]] = copy.deepcopy(there)
    elif what < 0.85 and isinstance(holder, dict):
        holder[str(path[-1]) + "_"] = holder.pop(path[-1])
    elif what < 0.93 and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[path[-1]]))
    elif isinstance(holder[path[-1]], int | float) and not isinstance(holder[path[-1]], bool):
        factor = (-1, 0, 1e-6, 1.1, 2, 100, 1e6, 1e12)[int(rng.integers(8))]
        holder[path[-1]] = holder[path[-1]] * factor
    else:
        holder[path[-1]] = None
    return value


def text(value: Any) -> str:
    """As JSON; what is `Raw` stands there as it is."""
    raws: list[str] = []

    def plain(value: Any) -> Any:
        if isinstance(value, Raw):
            raws.append(value.text)
            return f"\u0001{len(raws) - 1}\u0001"
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items()}
        return [plain(each) for each in value] if isinstance(value, list) else value

    said = json.dumps(plain(value))
    for number, raw in enumerate(raws):
        said = said.replace(f'"\\u0001{number}\\u0001"', raw)
    return said


def damaged_json(data: bytes, rng: Rng) -> bytes:
    """A JSON file, damaged in what it says or in how it is written."""
    if rng.random() < 0.75:
        said = text(changed(json.loads(data), rng))
        return said.encode(_encoding(rng), errors="replace")
    return damaged_text(data, rng)


def damaged_text(data: bytes, rng: Rng) -> bytes:
    """Any text: as `blocks.damaged`, in another encoding, with bytes that are no text, all in one line, with words
    twice."""
    what = rng.random()
    if what < 0.5:
        return blocks.damaged(data, rng)
    if what < 0.65:
        return data.decode().encode(_encoding(rng), errors="replace")
    at = int(rng.integers(len(data) + 1))
    odd = (b"\xff\xfe", b"\x80", b"\0", b"\xed\xa0\x80", b"\r", b"\n\n", b'"', b",", b"{", b"[" * 5000)
    return data[:at] + odd[int(rng.integers(len(odd)))] + data[at:]


def _encoding(rng: Rng) -> str:
    return "utf-8" if rng.random() < 0.85 else ("utf-8-sig", "utf-16", "utf-32", "latin-1")[int(rng.integers(4))]
