"""`report.json`: what a corpus holds, and what to do about it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from audio_motion.files import written_whole

SCHEMA_VERSION = 1
FIGURES = ("seconds", "fps", "face_width", "yaw", "turned", "unseen", "misfit", "level", "speech", "rhythm", "lag")


def build(listing: dict, doubts: Sequence[str] = ()) -> dict:
    """The report of a corpus.json's contents; `doubts`: advice that came before."""
    clips = listing["clips"]
    splits = {}
    for split in ("train", "held-out"):
        chosen = [clip for clip in clips if clip["split"] == split]
        splits[split] = {
            "clips": len(chosen),
            "speakers": len({clip["speaker"] for clip in chosen}),
            "hours": round(sum(clip["seconds"] for clip in chosen) / 3600, 4),
        }
    kinds = Counter(refusal["kind"] for refusal in listing["refused"])
    corrected = [clip["shifted"] for clip in clips if clip["shifted"]]
    contents = {
        "schema_version": SCHEMA_VERSION,
        "clips": len(clips),
        "speakers": len({clip["speaker"] for clip in clips}),
        "hours": round(sum(clip["seconds"] for clip in clips) / 3600, 4),
        "splits": splits,
        "refused": dict(kinds.most_common()),
        "lag_corrected": len(corrected),
        "lag_corrected_beyond_40_ms": int((np.abs(corrected) > 0.04).sum()),
        "percentiles_5_50_95": {name: _percentiles([figure(clip, name) for clip in clips]) for name in FIGURES},
    }
    return {**contents, "advice": [*doubts, *_advice(contents)]}


def figure(clip: dict, name: str) -> float:
    """A figure of a clip in corpus.json."""
    return float(clip[name] if name in clip else clip["figures"][name])


def length_in_words(hours: float) -> str:
    """A length of time for people."""
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"


def write(path: Path, contents: dict) -> None:
    """Write it, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(contents, indent=1))


def lines(contents: dict) -> Iterator[str]:
    """The report in a few lines."""
    yield f"{contents['clips']} clips of {contents['speakers']} speakers, {length_in_words(contents['hours'])}"
    for split, held in contents["splits"].items():
        yield f"  {split}: {held['clips']} clips of {held['speakers']} speakers, {length_in_words(held['hours'])}"
    if contents["refused"]:
        kinds = ", ".join(f"{count} {kind}" for kind, count in contents["refused"].items())
        yield f"  refused: {kinds}"
    for line in contents["advice"]:
        yield f"advice: {line}"


def _percentiles(values: list[float]) -> list[float]:
    return [round(float(v), 4) for v in np.percentile(values, [5, 50, 95])] if values else []


def _advice(contents: dict) -> Iterator[str]:
    total = contents["clips"] + sum(contents["refused"].values())
    for kind, count in contents["refused"].items():
        if kind == "failed":
            yield f"{count} clips failed for a reason of the program's own (corpus.json); the same command tries again"
        elif count > 0.2 * total:
            yield f"{count / total:.0%} of the clips were refused ({kind}): corpus.json has each one's reason"
    if contents["clips"]:
        if not contents["splits"]["held-out"]["clips"]:
            yield "no speaker is held out: a larger --held-out, or more speakers"
        if contents["lag_corrected"] < 0.5 * contents["clips"]:
            yield (
                f"the delay of {contents['clips'] - contents['lag_corrected']} clips is uncertain; their "
                "sound was left where it was"
            )
