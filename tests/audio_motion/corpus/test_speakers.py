"""Who speaks, by the layouts of known data sets, and which speakers are held out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_motion.corpus.speakers import doubt, speaker_by_folder, speakers_of, split_of
from audio_motion.errors import InputError


@pytest.mark.parametrize(
    ("name", "speaker"),
    [
        ("trainval/0Fi83BHQsMA/50001.mp4", "0Fi83BHQsMA"),  # LRS3
        ("pretrain/0Fi83BHQsMA/00003.mp4", "0Fi83BHQsMA"),
        ("dev/mp4/id00012/21Uxsk56VDQ/00001.mp4", "id00012"),  # VoxCeleb2
        ("WRA_SomeName_000.mp4", "WRA_SomeName"),  # HDTF
        ("RD_Radio11_001.mp4", "RD_Radio11"),
        ("clips/WRA_SomeName_12.mp4", "WRA_SomeName"),
        ("s1/bbaf2n.mpg", "s1"),  # GRID
        ("00017.mp4", "00017"),
    ],
)
def test_speakers_by_folder(name: str, speaker: str) -> None:
    assert speaker_by_folder(name) == speaker


def test_a_table_names_them(tmp_path: Path) -> None:
    table = tmp_path / "speakers.csv"
    table.write_text("file,seconds,speaker\na/1.mp4,3,Anna\nb.mp4,2,Ben\nunused.mp4,1,Eve\n", encoding="utf-8-sig")
    assert speakers_of(["a/1.mp4", "b.mp4"], "clip", table) == {"a/1.mp4": "Anna", "b.mp4": "Ben"}
    with pytest.raises(InputError, match=r"no speaker for 1 of 2 videos, the first c\.mp4"):
        speakers_of(["b.mp4", "c.mp4"], "clip", table)
    table.write_text("name,speaker\n")
    with pytest.raises(InputError, match="columns file and speaker"):
        speakers_of(["b.mp4"], "clip", table)
    with pytest.raises(InputError, match="no such file"):
        speakers_of(["b.mp4"], "clip", tmp_path / "missing.csv")


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_only_moves_speakers_over(speaker: str, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert not (split_of(speaker, low) == "held-out" and split_of(speaker, high) == "train")


def test_the_share_is_about_right_and_the_hash_never_changes() -> None:
    held = sum(split_of(f"speaker {i}", 0.1) == "held-out" for i in range(5000))
    assert 420 < held < 580
    # A corpus made years ago must keep its split.
    assert [split_of(name, 0.5) for name in ("a", "b", "c", "d")] == ["train", "held-out", "held-out", "held-out"]


def test_what_the_layout_does_not_tell_is_said() -> None:
    flat = speakers_of(["anna.mp4", "ben.mp4"], "folder", None)
    assert "nothing tells who speaks" in str(doubt(flat, told=False))
    assert "--speaker-table" in str(doubt(flat, told=False))
    assert "all clips are of one speaker" in str(doubt(speakers_of(["x/1.mp4", "x/2.mp4"], "folder", None), told=False))
    assert doubt(flat, told=True) is None
    assert doubt(speakers_of(["a/1.mp4", "a/2.mp4", "b/3.mp4"], "folder", None), told=False) is None
    assert doubt({"one.mp4": "one"}, told=False) is None
