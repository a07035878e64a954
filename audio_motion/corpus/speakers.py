"""Who speaks in a clip, and which speakers are held out."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from audio_motion.errors import InputError
from audio_motion.files import need_file

Split = Literal["train", "held-out"]

PARTS = (
    "train",
    "training",
    "trainval",
    "pretrain",
    "val",
    "validation",
    "dev",
    "test",
    "mp4",
    "video",
    "videos",
    "clips",
)
"""Folder names that name a part of a data set, not a speaker (LRS3: trainval, pretrain, test; VoxCeleb2: dev/mp4)."""


def speakers_of(names: Sequence[str], rule: Literal["clip", "folder"], table: Path | None) -> dict[str, str]:
    """Clip name (path below the folder of videos) to speaker.

    A rule looks at a clip's own name only, so that adding clips changes no other clip's speaker.

    Raises:
        InputError: the table cannot be read, or does not name every clip's speaker.
    """
    if table is not None:
        return _from_table(names, table)
    return {name: name if rule == "clip" else speaker_by_folder(name) for name in names}


def doubt(speakers: Mapping[str, str], told: bool) -> str | None:
    """What is doubtful about who speaks, in one line; None where nothing is.

    Args:
        speakers: clip name to speaker.
        told: whether the user said who speaks, by a table or by saying that each clip is a speaker.
    """
    people = len(set(speakers.values()))
    if told or len(speakers) < 2 or 1 < people < len(speakers):
        return None
    cure = "name the speakers by folders or with --speaker-table"
    if people == 1:
        return f"all clips are of one speaker, as folders and names say, so none is held out: if of several, {cure}"
    return (
        "nothing tells who speaks: every clip counts as a speaker of its own. Where speakers repeat, the same person "
        f"is learnt from and held out, which flatters every figure: {cure}, or say --speakers clip"
    )


def speaker_by_folder(name: str) -> str:
    """The first folder of a clip's path that is not one of `PARTS`; else its stem without the number at the end.

    LRS3 `trainval/0Fi83BHQsMA/50001.mp4`, VoxCeleb2 `dev/mp4/id00012/21Uxsk56VDQ/00001.mp4`, HDTF `WRA_Name_000.mp4`.
    """
    path = PurePosixPath(name)
    for folder in path.parts[:-1]:
        if folder.lower() not in PARTS:
            return folder
    return re.sub(r"[ _.-]*\d+$", "", path.stem) or path.stem


def split_of(speaker: str, held_out: float) -> Split:
    """By a hash of the name: the same whatever other speakers there are; a larger `held_out` only moves some over."""
    place = int.from_bytes(hashlib.sha256(speaker.encode(errors="surrogateescape")).digest()[:8], "big") / 2**64
    return "held-out" if place < held_out else "train"


def _from_table(names: Sequence[str], path: Path) -> dict[str, str]:
    need_file(path, "give a CSV with the columns file and speaker")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}); give a CSV with the columns file and speaker") from error
    if not rows or not {"file", "speaker"} <= rows[0].keys():
        raise InputError(f"{path}: has no columns file and speaker, or no rows; its first line must name them")
    table = {row["file"]: row["speaker"] for row in rows if row["speaker"]}
    missing = [name for name in names if name not in table]
    if missing:
        raise InputError(
            f"{path}: names no speaker for {len(missing)} of {len(names)} videos, the first {missing[0]}; add them "
            "(column file: the path below the folder of videos)"
        )
    return {name: table[name] for name in names}
