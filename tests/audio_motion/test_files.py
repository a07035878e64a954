"""What is read is never written over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from audio_motion.errors import InputError
from audio_motion.files import spare_inputs


@pytest.mark.parametrize(
    "spelled",
    [
        lambda path: path,
        lambda path: path.parent / "absent" / ".." / path.name,
        lambda path: linked(path.with_name("link.mp4"), path, Path.symlink_to),
        lambda path: linked(path.with_name("hard.mp4"), path, Path.hardlink_to),
    ],
    ids=["as it is", "with ..", "symbolic link", "hard link"],
)
def test_the_same_file_under_any_name_is_spared(tmp_path: Path, spelled: Callable[[Path], Path]) -> None:
    (tmp_path / "absent").mkdir()
    path = tmp_path / "a.mp4"
    path.touch()
    with pytest.raises(InputError, match=r"would replace .*a\.mp4, which is read"):
        spare_inputs(spelled(path), (None, tmp_path / "other.wav", path))


def linked(link: Path, target: Path, how: Callable[[Path, Path], None]) -> Path:
    how(link, target)
    return link


def test_a_folder_around_an_input_is_refused_and_one_beside_it_not(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "a" / "b", tmp_path / "elsewhere"
    folder.mkdir(parents=True)
    elsewhere.mkdir()
    (folder / "clip.mp4").touch()
    (elsewhere / "link.mp4").symlink_to(folder / "clip.mp4")
    for given in (folder / "clip.mp4", elsewhere / "link.mp4"):
        with pytest.raises(InputError, match=r"holds .*choose another folder"):
            spare_inputs(tmp_path / "a", (given,))
    spare_inputs(tmp_path / "c", (folder / "clip.mp4",))
    spare_inputs(folder / "other.mp4", (folder / "clip.mp4", tmp_path / "absent.mp4"))
    spare_inputs(elsewhere, (folder / "clip.mp4",))


def test_a_link_to_itself_is_nothing_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    spare_inputs(tmp_path / "out.npz", (tmp_path / "loop.wav",))  # reading it says what is wrong
