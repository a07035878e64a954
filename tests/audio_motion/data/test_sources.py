from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from audio_motion.data import sources
from audio_motion.data.corpus import Corpus
from audio_motion.data.recording import align, hold_out_tail
from audio_motion.data.sources import load_recordings, load_training_split, sample_recordings
from audio_motion.errors import InputError
from audio_motion.features.acoustic import MEL
from tests.audio_motion.data.captures import write_capture, write_corpus
from tests.audio_motion.synthetic_speech import talk


def test_only_the_train_split_is_learnt_from(tmp_path: Path) -> None:
    speaker = load_recordings(write_capture(tmp_path / "anna", 11.0), MEL, "train")[0]
    assert speaker.valid.shape == (248,)  # 275 frames, the last 25 for test, whole latents of 4
    assert speaker.features.shape == (496, 83)
    assert speaker.offsets.mean(dim=0).abs().max() < 1e-5


def test_thirty_frames_a_second_meet_sound_by_time() -> None:
    at_25, at_30 = (align(motion, sound, MEL) for sound, motion in (talk(8.0, 25.0), talk(8.0, 30.0)))
    assert at_30.offsets.shape == at_25.offsets.shape
    lips = (at_30.offsets + torch.from_numpy(at_30.face.mean) - at_25.offsets - torch.from_numpy(at_25.face.mean))[
        :, 66
    ]
    assert lips.abs().max() < 0.01  # of 0.06: linear interpolation, no shift


def test_the_face_is_measured_on_valid_frames() -> None:
    sound, motion = talk(8.0)
    landmarks, valid = motion.landmarks.copy(), motion.valid.copy()
    landmarks[50:60] += 5.0
    valid[50:60] = False
    face = align(replace(motion, landmarks=landmarks, valid=valid), sound, MEL).face
    assert np.abs(face.mean - align(motion, sound, MEL).face.mean).max() < 0.01
    assert face.eyes == pytest.approx([0.3, 0.3])
    assert face.rest[66, 1] > 0.0  # shut: the lower lip is above its mean


def test_mistakes_in_captures_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 2 s"):
        load_recordings(write_capture(tmp_path / "short", 2.0), MEL, "all")
    broken = write_capture(tmp_path / "broken", 6.0)
    for text in ("{", "[" * 100_000, '{"frames": null}', '{"frames": [{"time": "0", "split": "train"}]}', "[]"):
        (broken / "transforms.json").write_text(text)
        with pytest.raises(InputError, match=r"transforms\.json"):
            load_recordings(broken, MEL, "train")
    with pytest.raises(InputError, match="no such file"):
        load_recordings(tmp_path / "nowhere.npz", MEL, "all")
    sound, motion = talk(6.0)
    with pytest.raises(InputError, match="offsets"):
        align(replace(motion, space="offset"), sound, MEL)


def test_what_is_held_out_of_a_capture_is_its_test_split_and_of_a_sequence_the_tail(tmp_path: Path) -> None:
    """Nothing that a training learns from is measured on."""
    capture = write_capture(tmp_path / "anna", 22.0)  # 550 frames, the last 50 for test
    held, known = (load_recordings(capture, MEL, split)[0] for split in ("held-out", "train"))
    assert held.valid.nonzero()[:, 0].tolist() == list(range(500, 548))
    assert len(known.offsets) == 500
    assert np.array_equal(held.face.mean, known.face.mean)
    points = held.offsets + torch.from_numpy(held.face.mean)
    whole = load_recordings(capture, MEL, "all")[0]
    assert (points - whole.offsets - torch.from_numpy(whole.face.mean)).abs().max() < 1e-6
    (trained,), (looked_at,) = load_training_split([capture], MEL)
    assert len(trained.offsets) < 460
    assert not (looked_at.valid & held.valid[:500]).any()

    sequence = tmp_path / "anna.npz"
    (capture / "landmarks.npz").rename(sequence)
    (capture / "audio.wav").rename(tmp_path / "anna.wav")
    (trained,), (looked_at,) = load_training_split([sequence], MEL)
    (held,), (early,) = load_recordings(sequence, MEL, "held-out"), load_recordings(sequence, MEL, "train")
    assert torch.equal(held.valid, looked_at.valid)
    assert len(trained.offsets) == len(early.offsets) == int(held.valid.nonzero()[0, 0])


def test_a_face_that_turned_away_before_the_end_is_held_out_where_it_was_seen() -> None:
    sound, motion = talk(20.0)
    valid = motion.valid.copy()
    valid[420:] = False
    early, late = hold_out_tail(align(replace(motion, valid=valid), sound, MEL))
    assert late.valid.sum() == pytest.approx(42, abs=4)
    assert late.valid.nonzero()[-1, 0] == 419
    assert not (late.valid[: len(early.valid)] & early.valid).any()


def test_a_sample_of_a_corpus_is_drawn_from_all_of_it_and_no_more_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_corpus(tmp_path / "corpus", {f"s{i}/{i}.mp4": 2.4 for i in range(30)})
    read: list[str] = []
    original = Corpus._read

    def counting(self: Corpus, entry: sources.Clip) -> sources.Clip:
        read.append(entry.name)
        return original(self, entry)  # type: ignore[arg-type]

    monkeypatch.setattr(Corpus, "_read", counting)
    names = []
    for seed in range(3):
        read.clear()
        found = sample_recordings([corpus], MEL, minutes=0.2, seed=seed)
        assert len(read) == len(found) == 5  # 2.4 s each: 12 s are full with five
        names.append(tuple(r.face.person for r in found))
    assert len(set(names)) == 3
    assert len({name for drawn in names for name in drawn}) > 8  # not the first ones
    assert sample_recordings([corpus], MEL, 0.2, 0)[0].identity == sample_recordings([corpus], MEL, 0.2, 0)[0].identity


def test_only_speakers_that_are_learnt_from_are_sampled(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", {f"s{i}/{i}.mp4": 2.2 for i in range(8)}, held_out=0.5)
    sampled = {r.face.person for r in sample_recordings([corpus], MEL, 9.0, 0)}
    assert sampled == {r.face.person for r in load_recordings(corpus, MEL, "train")}


def test_a_corpus_without_held_out_speakers_says_so(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", {"a/1.mp4": 2.4, "b/2.mp4": 2.4}, held_out=0.0)
    with pytest.raises(InputError, match=r"no speaker is held out; .* larger --held-out"):
        load_training_split([corpus], MEL)
    short = write_corpus(tmp_path / "short", {"a/1.mp4": 1.0})
    with pytest.raises(InputError, match="no clip of 2 s or more"):
        load_recordings(short, MEL, "train")
