"""Videos are found in any layout, with the sound beside them; keys change with the files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audio_motion.corpus.find import find_videos
from audio_motion.errors import InputError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def test_any_layout_and_the_sound_beside_a_video(tmp_path: Path) -> None:
    touch(tmp_path, "dev/mp4/id1/video/00001.mp4", "top.MOV", "top.flac", "top.wav", "b/é clip.webm", "b/é clip.m4a")
    touch(tmp_path, "._top.mov", ".hidden/a.mp4", "readme.txt", "alone.wav", "b/other.m4a")
    found = find_videos(tmp_path)
    assert [source.name for source in found] == ["b/é clip.webm", "dev/mp4/id1/video/00001.mp4", "top.MOV"]
    sounds = [source.sound and source.sound.name for source in found]
    assert sounds == ["é clip.m4a", None, "top.wav"]


def test_links_that_lead_back_up_show_no_video_twice(tmp_path: Path) -> None:
    touch(tmp_path, "videos/id1/a.mp4", "elsewhere/b.mp4")
    (tmp_path / "videos" / "id1" / "back").symlink_to(tmp_path / "videos")
    (tmp_path / "videos" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(tmp_path / "videos")
    assert [source.name for source in find_videos(tmp_path / "videos")] == ["id1/a.mp4", "linked/b.mp4"]


def test_a_key_changes_with_file_sound_and_options_and_not_with_the_folders_place(tmp_path: Path) -> None:
    touch(tmp_path / "one", "a.mp4")
    (source,) = find_videos(tmp_path / "one")
    key = source.key({"gate": 1})
    assert source.key({"gate": 1}) == key
    assert source.key({"gate": 2}) != key
    (tmp_path / "one").rename(tmp_path / "two")
    (moved,) = find_videos(tmp_path / "two")
    assert moved.key({"gate": 1}) == key
    touch(tmp_path / "two", "a.wav")
    (sounding,) = find_videos(tmp_path / "two")
    assert sounding.key({"gate": 1}) != key
    os.utime(tmp_path / "two" / "a.mp4", (1, 1))
    assert moved.key({"gate": 1}) != key


def test_what_holds_no_videos_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        find_videos(tmp_path / "nowhere")
    touch(tmp_path, "a.txt")
    with pytest.raises(InputError, match="holds no videos"):
        find_videos(tmp_path)
    with pytest.raises(InputError, match="is a file"):
        find_videos(tmp_path / "a.txt")
