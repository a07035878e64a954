"""Finished clips into shards, and the list of what is where."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from audio_motion.corpus.speakers import split_of
from audio_motion.corpus.store import Refusal, Store, index
from audio_motion.data.corpus import SCHEMA_VERSION
from audio_motion.data.shard_file import Record, Shard, StoredClip, write_shard
from audio_motion.files import written_whole

SHARD_BYTES = 256_000_000
"""A shard is closed once it holds so much, or so many clips."""
SHARD_CLIPS = 1000


def fill_shards(store: Store, most_bytes: int = SHARD_BYTES, most_clips: int = SHARD_CLIPS) -> None:
    """Move finished clips into new shards, together with those of older shards that are less than half full.

    A finished clip's own file is deleted once a shard holds it, so at no moment is a clip nowhere. The older shards
    stay: corpus.json names them until it is written anew.

    Raises:
        InputError: a file is damaged, or a shard cannot be written.
    """
    finished, shards = store.finished(), store.shards()
    held = index(shards)
    for key in finished.keys() & held.keys():  # stopped between writing a shard and deleting these
        finished.pop(key).unlink(missing_ok=True)
    if not finished:
        return
    sparse = [path for path in shards if not _half_full(path, most_bytes, most_clips)]
    places = {key: shard.path for key, shard in held.items() if shard.path in sparse} | finished
    named = sorted((Shard(path).records[key].name, key) for key, path in places.items())
    for group in _groups((Shard(places[key]).clip(key) for _, key in named), most_bytes, most_clips):
        write_shard(store.new_shard(), group)
        for clip in group:
            if clip.record.key in finished:
                finished[clip.record.key].unlink()


def write_listing(
    store: Store,
    wanted: Iterable[str],
    speakers: dict[str, str],
    held_out: float,
    refused: list[Refusal],
    options: dict,
) -> dict:
    """Write corpus.json; then delete the shards that nothing is read from any more.

    Args:
        wanted: keys of the clips whose videos are there.
        speakers: clip name to speaker.

    Returns:
        Its contents.
    """
    held = index(store.shards())
    found = [(held[key].records[key], held[key].path.name) for key in wanted if key in held]
    contents = {
        "schema_version": SCHEMA_VERSION,
        "options": options,
        "clips": [_entry(record, shard, speakers[record.name], held_out) for record, shard in found],
        "refused": [asdict(refusal) for refusal in refused],
    }
    with written_whole(store.listing) as temporary:
        temporary.write_text(json.dumps(contents, indent=1))
    needed = {shard.path for shard in held.values()}
    for path in store.shards():
        if path not in needed:
            path.unlink()
    return contents


def _entry(record: Record, shard: str, speaker: str, held_out: float) -> dict:
    facts = asdict(record)
    facts.pop("detector")
    split = split_of(speaker, held_out)
    return {
        "name": facts.pop("name"),
        "speaker": speaker,
        "split": split,
        "seconds": round(record.seconds, 3),
        "shard": shard,
        **facts,
    }


def _half_full(path: Path, most_bytes: int, most_clips: int) -> bool:
    return path.stat().st_size > most_bytes / 2 or len(Shard(path).records) > most_clips / 2


def _groups(clips: Iterable[StoredClip], most_bytes: int, most_clips: int) -> Iterator[list[StoredClip]]:
    group: list[StoredClip] = []
    size = 0
    for clip in clips:
        group.append(clip)
        size += clip.size
        if len(group) >= most_clips or size >= most_bytes:
            yield group
            group, size = [], 0
    if group:
        yield group
