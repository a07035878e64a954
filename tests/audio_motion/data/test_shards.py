"""What is written to shards comes back, and damage is noticed and named."""

from __future__ import annotations

import json
import pickle
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_motion.corpus.assemble import fill_shards, write_listing
from audio_motion.corpus.speakers import split_of
from audio_motion.corpus.store import Store
from audio_motion.data import shard_file
from audio_motion.data.corpus import load_corpus
from audio_motion.data.shard_file import FULL_SCALE, Shard, checksum, write_shard
from audio_motion.errors import InputError
from tests.audio_motion.data.stored import stored

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@settings(max_examples=25)
@given(clips=st.dictionaries(NAMES, st.tuples(st.integers(1, 40), st.floats(10, 120), st.integers(0, 99)), max_size=4))
def test_round_trip(clips: dict[str, tuple[int, float, int]]) -> None:
    written = [stored(name, *facts) for name, facts in clips.items()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shard-00000.safetensors"
        write_shard(path, written)
        shard = Shard(path)
        assert list(shard.records.values()) == [clip.record for clip in written]
        for clip in written:
            read = shard.clip(clip.record.key)
            for name, array in clip.arrays.items():
                assert np.array_equal(read.arrays[name], array)
                assert read.arrays[name].dtype == array.dtype


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Twelve clips of six speakers in shards of four."""
    store = Store(tmp_path / "corpus")
    clips = [stored(f"s{i // 2}/{i}.mp4", 4 + i, seed=i) for i in range(12)]
    for clip in clips:
        store.save_clip(clip)
    fill_shards(store, most_clips=4)
    speakers = {clip.record.name: clip.record.name.partition("/")[0] for clip in clips}
    write_listing(store, [clip.record.key for clip in clips], speakers, 0.4, [], {})
    return store.root


def test_clips_come_back_as_sequences_and_samples(corpus: Path) -> None:
    clips = load_corpus(corpus)
    assert len(clips) == 12
    assert len({entry.shard for entry in clips.entries}) == 3
    by_name = {clip.name: clip for clip in clips}
    original = stored("s3/7.mp4", 11, seed=7)
    clip = by_name["s3/7.mp4"]
    assert clip.speaker == clip.sequence.person == "s3"
    assert np.array_equal(clip.sequence.landmarks, original.landmarks)
    assert clip.sequence.fps == 25.0
    assert clip.samples.dtype == np.float32
    assert np.array_equal(np.round(clip.samples * FULL_SCALE), original.sound)
    assert clips[3].name == clips.entries[3].name
    assert [clip.name for clip in clips[2:5]] == [entry.name for entry in clips.entries[2:5]]
    assert pickle.loads(pickle.dumps(clips))[0].name == clips[0].name


def test_splits_part_the_speakers(corpus: Path) -> None:
    train, held = load_corpus(corpus, "train"), load_corpus(corpus, "held-out")
    assert len(train) + len(held) == 12
    assert {entry.speaker for entry in held.entries} == {f"s{i}" for i in range(6) if split_of(f"s{i}", 0.4) != "train"}
    assert held.entries
    assert train.entries


def test_no_shard_is_opened_before_it_is_needed(corpus: Path) -> None:
    (corpus / "shard-00002.safetensors").unlink()
    clips = load_corpus(corpus)
    assert clips[0].name
    with pytest.raises(InputError, match=r"shard-00002\.safetensors: no such file; run"):
        list(clips)


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_truncated_shard(corpus: Path, keep: int) -> None:
    path = corpus / "shard-00001.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"shard-00001\.safetensors: truncated or not a shard .*; delete it and run"):
        list(load_corpus(corpus))


def test_a_flipped_bit(corpus: Path) -> None:
    path = corpus / "shard-00001.safetensors"
    contents = bytearray(path.read_bytes())
    contents[-100] ^= 4
    path.write_bytes(contents)
    with pytest.raises(InputError, match=r"shard-00001\.safetensors: clip .* is damaged"):
        list(load_corpus(corpus))


def test_nan(corpus: Path) -> None:
    path = corpus / "shard-00000.safetensors"
    shard = Shard(path)
    clips = [shard.clip(key) for key in shard.records]
    bad = clips[1].landmarks.copy()
    bad[2, 3, 1] = np.nan
    spoilt = replace(clips[1], landmarks=bad)
    spoilt = replace(spoilt, record=replace(spoilt.record, sha256=checksum(spoilt.arrays)))
    write_shard(path, [clips[0], spoilt, *clips[2:]])
    with pytest.raises(
        InputError, match=r"shard-00000\.safetensors: clip .* landmarks holds values that are not finite"
    ):
        list(load_corpus(corpus))


def test_other_schema_versions(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = corpus / "shard-00000.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr(shard_file, "SCHEMA_VERSION", 7)
        write_shard(path, [stored("a.mp4")])
    with pytest.raises(InputError, match=r"shard-00000\.safetensors: schema version 7, expected 1"):
        list(load_corpus(corpus))
    listing = corpus / "corpus.json"
    contents = json.loads(listing.read_text())
    listing.write_text(json.dumps({**contents, "schema_version": 2}))
    with pytest.raises(InputError, match=r"corpus\.json: schema version 2, expected 1"):
        load_corpus(corpus)
    listing.write_text("{")
    with pytest.raises(InputError, match=r"corpus\.json: malformed or damaged"):
        load_corpus(corpus)
    with pytest.raises(InputError, match="no such file"):
        load_corpus(corpus / "elsewhere")
