"""The shipped voice: sound, phoneme times, and tracks made of them."""

import json

import numpy as np
import pytest

from audio_motion.errors import InputError
from geneface_ns.synthetic import load_speech, speech_names, speech_track
from geneface_ns.synthetic.motion import shapes_of
from geneface_ns.synthetic.speech import FOLDER, RATE


def test_what_is_shipped():
    assert len(speech_names("train")) == 12
    assert len(speech_names("unseen")) == 3
    assert {"second_voice", "german"} <= set(speech_names())
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1.5e6
    assert 40 < sum(load_speech(name).duration for name in speech_names("train")) < 60


@pytest.mark.parametrize("name", speech_names())
def test_sound_and_phonemes_agree(name):
    clip = load_speech(name)
    facts = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert clip.sound.dtype == np.float32
    assert clip.duration == pytest.approx(facts["duration"], abs=1e-3)
    starts, ends = np.array([(a, b) for _, a, b in clip.phones]).T
    assert starts[0] == 0
    assert ends[-1] == pytest.approx(clip.duration, abs=1e-3)
    assert np.allclose(starts[1:], ends[:-1], atol=1e-4)
    assert (ends > starts).all()
    for phone, _, _ in clip.phones:
        shapes_of(phone)

    def loudness(phones: set[str]) -> float:
        parts = [clip.sound[round(a * RATE) : round(b * RATE)] for p, a, b in clip.phones if p in phones]
        return float(np.sqrt(np.mean(np.concatenate(parts) ** 2)))

    vowels = {p for p, _, _ in clip.phones if shapes_of(p)[0] in ("open", "mid", "round open", "spread")}
    assert loudness({"pau", "_:", "_"} & {p for p, _, _ in clip.phones}) < 0.3 * loudness(vowels)


def test_a_track_keeps_the_times():
    track = speech_track(["train_01", "train_02"], seed=4)
    second = load_speech("train_02")
    length = len(second.sound)
    tail = round(0.6 * RATE)
    assert np.array_equal(track.sound[-tail - length : -tail], second.sound)
    start = (len(track.sound) - tail - length) / RATE
    phones = track.phones[-1 - len(second.phones) : -1]
    assert phones[5][0] == second.phones[5][0]
    assert phones[5][1] == pytest.approx(second.phones[5][1] + start)
    gap = start - 0.6 - load_speech("train_01").duration
    assert 0.3 <= gap <= 0.5


def test_a_track_of_a_given_length():
    track = speech_track(["unseen_01"], seed=0, seconds=9.0)
    assert len(track.sound) == 9 * RATE
    assert track.phones[-1][2] <= 9.0
    assert track.text.count("Nobody") == 3


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="no speech clip named 'x'"):
        load_speech("x")
