"""Shards are filled from finished clips, and nothing is lost wherever a run is stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from audio_motion.corpus import assemble
from audio_motion.corpus.assemble import fill_shards, write_listing
from audio_motion.corpus.store import Store, index
from audio_motion.data.corpus import load_corpus
from audio_motion.data.shard_file import Shard, write_shard
from audio_motion.errors import InputError
from tests.audio_motion.data.stored import stored


def save(store: Store, *names: str) -> list[str]:
    clips = [stored(name) for name in names]
    for clip in clips:
        store.save_clip(clip)
    return [clip.record.key for clip in clips]


def names_in(store: Store) -> list[list[str]]:
    """Clip names, shard by shard."""
    return [sorted(record.name for record in Shard(path).records.values()) for path in store.shards()]


def finish(store: Store, keys: list[str]) -> None:
    records = index(store.shards())
    write_listing(store, keys, {records[key].records[key].name: "s" for key in keys}, 0.0, [], {})


def test_shards_are_closed_by_count_or_size(tmp_path: Path) -> None:
    by_count, by_size = Store(tmp_path / "a"), Store(tmp_path / "b")
    for store in (by_count, by_size):
        save(store, *"abcde")
    fill_shards(by_count, most_clips=2)
    assert names_in(by_count) == [["a", "b"], ["c", "d"], ["e"]]
    fill_shards(by_size, most_bytes=stored("a").size * 2 + 1)
    assert names_in(by_size) == [["a", "b", "c"], ["d", "e"]]
    assert not by_count.finished()


def test_added_clips_fill_up_what_is_not_half_full_and_leave_the_rest(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keys = save(store, *"abcde")
    fill_shards(store, most_clips=4)
    finish(store, keys)
    untouched = store.shards()[0].stat().st_mtime_ns
    keys += save(store, "f", "g")
    fill_shards(store, most_clips=4)
    finish(store, keys)
    assert names_in(store) == [["a", "b", "c", "d"], ["e", "f", "g"]]
    assert store.shards()[0].stat().st_mtime_ns == untouched
    assert sorted(clip.name for clip in load_corpus(tmp_path)) == list("abcdefg")


def test_clips_of_vanished_videos_stay_in_their_shard_but_are_not_listed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keys = save(store, *"abc")
    fill_shards(store)
    finish(store, keys[:2])
    assert [clip.name for clip in load_corpus(tmp_path)] == ["a", "b"]
    finish(store, keys)
    assert [clip.name for clip in load_corpus(tmp_path)] == ["a", "b", "c"]


class _Stopped(BaseException):
    """As a kill would be: nothing may catch it."""


@pytest.mark.parametrize("at", range(6))
def test_a_stop_at_any_write_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    store = Store(tmp_path)
    old = save(store, "a", "b")
    fill_shards(store, most_clips=5)
    finish(store, old)
    keys = old + save(store, *"cdefgh")

    def stopping(path: Path, clips: list) -> None:
        if len(calls) == at // 2 and at % 2 == 0:
            raise _Stopped
        write_shard(path, clips)
        calls.append(path)
        if len(calls) == at // 2 + 1 and at % 2 == 1:
            raise _Stopped

    calls: list[Path] = []
    with monkeypatch.context() as patch:
        patch.setattr(assemble, "write_shard", stopping)
        try:
            fill_shards(store, most_clips=5)
        except _Stopped:
            pass
        else:
            assert at >= 4
    assert [clip.name for clip in load_corpus(tmp_path)] == ["a", "b"]  # the corpus of before is whole
    assert index(store.shards()).keys() | store.finished().keys() == set(keys)
    fill_shards(store, most_clips=5)
    finish(store, keys)
    assert sorted(clip.name for clip in load_corpus(tmp_path)) == list("abcdefgh")
    assert not store.finished()


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    keys = save(store, *"abc")

    def full(path: Path, contents: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(InputError, match=r"cannot write .*shard-00000\.safetensors: No space left .*; free some"):
            fill_shards(store)
    assert not store.shards()
    assert store.finished().keys() == set(keys)
    assert not list(tmp_path.glob(".shard*"))
    fill_shards(store)
    assert index(store.shards()).keys() == set(keys)


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    save(store, "a")
    fill_shards(store)
    store.shards()[0].write_bytes(b"x")
    save(store, "b")
    with pytest.raises(InputError, match=r"shard-00000\.safetensors: truncated or not a shard .* delete it and run"):
        fill_shards(store)
