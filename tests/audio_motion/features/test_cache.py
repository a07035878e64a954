from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from audio_motion.features.acoustic import Acoustic
from audio_motion.features.cache import cached, default_folder
from tests.audio_motion.synthetic_speech import talk


@dataclass(frozen=True)
class Counting(Acoustic):
    """Counts how often it listens."""

    runs: list[int] = field(default_factory=list)

    def stream(self, chunks):  # type: ignore[no-untyped-def]
        self.runs.append(1)
        return super().stream(chunks)


def test_features_are_extracted_once(tmp_path: Path) -> None:
    features, sound = Counting(), talk(2.0)[0]
    truth = Acoustic().extract(sound)
    for _ in range(2):
        assert torch.equal(cached(features, sound, tmp_path), truth)
    assert len(features.runs) == 1
    entry = cached(features, sound, tmp_path)
    entry += 1.0  # a mapped file must not change with it
    assert torch.equal(cached(features, sound, tmp_path), truth)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npy"]


def test_other_sound_and_other_features_have_other_entries(tmp_path: Path) -> None:
    sound = talk(1.0)[0]
    cached(Counting(), sound, tmp_path)
    cached(Counting(), sound * 0.5, tmp_path)
    cached(Counting(name="acoustic-2"), sound, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("damage", ["cut", "words", "empty", "other shape", "folder of objects"])
def test_a_damaged_entry_is_made_again(tmp_path: Path, damage: str) -> None:
    features, sound = Counting(), talk(1.0)[0]
    truth = cached(features, sound, tmp_path).clone()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.unlink()
    if damage == "other shape":
        np.save(path, np.zeros((3, 83), np.float32))
    elif damage == "folder of objects":
        np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    else:
        path.write_bytes({"cut": whole[:-1000], "words": b"words", "empty": b""}[damage])
    assert torch.equal(cached(features, sound, tmp_path), truth)
    assert len(features.runs) == 2
    assert path.read_bytes() == whole


def test_no_sound_and_nowhere_to_write(tmp_path: Path) -> None:
    assert cached(Acoustic(), np.zeros(0, np.float32), tmp_path).shape == (0, 83)
    (tmp_path / "file").write_text("in the way")
    sound = talk(1.0)[0]
    assert torch.equal(cached(Acoustic(), sound, tmp_path / "file" / "folder"), Acoustic().extract(sound))


def test_the_default_folder_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cached(Acoustic(), talk(0.5)[0])
    assert len(list((tmp_path / "geneface" / "features").iterdir())) == 1
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_folder() == Path.home() / ".cache" / "geneface" / "features"
