"""Which tracks of a file are read, and files whose names and tags are odd."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from audio_motion.errors import InputError
from audio_motion.media import Tracks, audio_info, load_audio, probe, read_frames, sound_seconds
from tests.audio_motion.media.kinds import Kind, Sound, assert_in_place, moment, number_of, picture, write

TIMES = [index / 25 for index in range(50)]
LATER = Sound("pcm_s16le", start=-1.0, first=1.0, last=4.0)
"""Another part of the sound: its second 1 is heard at time 0."""


def test_the_sound_marked_default_is_heard_or_the_one_asked_for(tmp_path: Path) -> None:
    other = Sound(start=-1.0, first=1.0, last=4.0, default=False)
    path = write(tmp_path, Kind("two.mkv", TIMES, sounds=[other, Sound(default=True)]))
    assert_in_place(path, TIMES)
    assert_in_place(path, TIMES, tracks=Tracks(sound=2))
    assert_in_place(path, TIMES, tracks=Tracks(sound=1), sound_start=-1.0)
    assert probe(path).notes == audio_info(path).notes
    assert probe(path).notes == (
        "there are 2 sound tracks; number 2 was taken, the one marked default (--sound-track chooses another)",
    )
    assert probe(path, Tracks(sound=1)).notes == ()
    for number in (0, 3):
        with pytest.raises(InputError, match=f"has no sound track {number}; it has 2 sound tracks"):
            load_audio(path, tracks=Tracks(sound=number))


def test_a_sound_that_cannot_be_decoded_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, Kind("unknown.mov", TIMES, sounds=[LATER, Sound("pcm_s16le")]))
    path.write_bytes(path.read_bytes().replace(b"sowt", b"zzzz", 1))
    assert_in_place(path, TIMES)
    assert "number 2 was taken" in probe(path).notes[0]
    with pytest.raises(InputError, match="sound track 1 is in a format that cannot be decoded"):
        probe(path, Tracks(sound=1))
    path.write_bytes(path.read_bytes().replace(b"sowt", b"zzzz"))
    assert not probe(path).has_audio
    with pytest.raises(InputError, match="its sound cannot be decoded"):
        load_audio(path)


def write_two_pictures(path: Path, counts: tuple[int, int], default: int) -> Path:
    """Two picture tracks; those of the second bear numbers from 100 on."""
    with av.open(str(path), "w") as file:
        streams = [file.add_stream("ffv1", rate=25) for _ in counts]
        for index, stream in enumerate(streams):
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            stream.disposition = int(index == default)
        for index, (stream, count) in enumerate(zip(streams, counts, strict=True)):
            for number in range(count):
                frame = av.VideoFrame.from_ndarray(picture(100 * index + number), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
    return path


def test_the_moving_picture_marked_default_is_shown_or_the_one_asked_for(tmp_path: Path) -> None:
    still = write_two_pictures(tmp_path / "still_first.mkv", (1, 10), default=0)
    assert [number_of(rgb) for _, rgb in read_frames(still)] == list(range(100, 110))
    with pytest.raises(InputError, match="--picture-track 1 is a still picture"):
        probe(still, Tracks(picture=1))
    second = write_two_pictures(tmp_path / "second.mkv", (10, 10), default=1)
    assert number_of(next(read_frames(second))[1]) == 100
    assert number_of(next(read_frames(second, tracks=Tracks(picture=1)))[1]) == 0
    assert "2 picture tracks; number 2 was taken, the one marked default" in probe(second).notes[0]
    with pytest.raises(InputError, match="has no picture track 3"):
        probe(second, Tracks(picture=3))


def test_a_cover_is_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "cover.mp3"
    with av.open(str(path), "w") as file:
        audio = file.add_stream("libmp3lame", rate=16000, layout="mono")
        cover = file.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 96, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        still = av.VideoFrame.from_ndarray(picture(3), format="rgb24").reformat(format="yuvj420p")
        packets = [*cover.encode(still), *cover.encode(None)]
        block = av.AudioFrame.from_ndarray(np.full((1, 16000), 3000, np.int16), format="s16", layout="mono")
        block.sample_rate = 16000
        for packet in [*packets, *audio.encode(block), *audio.encode(None)]:
            file.mux(packet)
    with pytest.raises(InputError, match="has no moving picture"):
        probe(path)
    assert sound_seconds(path) == pytest.approx(1.0, abs=0.1)


def test_tags_in_any_encoding(tmp_path: Path) -> None:
    path = write(tmp_path, Kind("tags.mp4", TIMES, container={}))
    with av.open(str(path)) as source, av.open(str(tmp_path / "tagged.mp4"), "w") as target:
        target.metadata["title"] = "Abcdefg"
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                target.mux(packet)
    tagged = tmp_path / "tagged.mp4"
    tagged.write_bytes(tagged.read_bytes().replace(b"Abcdefg", b"Gr\xfc\xdfe\xff\xfe"))
    assert_in_place(tagged, TIMES)
    sound = tmp_path / "tagged.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(32000))
    text = b"INFOINAM\x08\0\0\0Gr\xfc\xdfe\0\0\0"
    data = sound.read_bytes() + b"LIST" + len(text).to_bytes(4, "little") + text
    sound.write_bytes(b"RIFF" + (len(data) - 8).to_bytes(4, "little") + data[8:])
    assert len(load_audio(sound)) == 16000


def test_names_with_a_colon_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, Kind("12:30 call.mp4", TIMES))
    monkeypatch.chdir(tmp_path)
    assert_in_place(Path("12:30 call.mp4"), TIMES)


def test_a_playlist_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path, Kind("part.ts", TIMES))
    for name, text in (
        ("a.mp4", "ffconcat version 1.0\nfile part.ts\n"),
        ("b.m3u8", "#EXTM3U\n#EXTINF:2,\nhttp://127.0.0.1:9/x.ts\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=name):
            probe(tmp_path / name)


def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path, Kind("clip.mp4", TIMES))
    assert probe(path).frames == 50
    write(tmp_path, Kind("clip.mp4", TIMES[:30]))
    assert probe(path).frames == 30


def test_mp3_without_a_length(tmp_path: Path) -> None:
    path = tmp_path / "speech.mp3"
    with av.open(str(path), "w", options={"write_xing": "0"}) as file:
        stream = file.add_stream("libmp3lame", rate=44100, layout="mono", options={"q": "6"})
        for second in range(6):  # quiet, then loud: what the first bytes say of the rate is wrong
            noise = np.random.default_rng(second).standard_normal(44100) * (20 if second < 2 else 6000)
            frame = av.AudioFrame.from_ndarray(noise.astype(np.int16)[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 44100, 44100 * second
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    assert sound_seconds(path) == pytest.approx(6.0, abs=0.1)
    assert len(load_audio(path)) == pytest.approx(16000 * sound_seconds(path), abs=2)


def sound_kinds() -> dict[str, tuple[Sound, float, float]]:
    """Sound whose stamps skip or repeat: with the seconds by which what comes after 1.2 s lies later than written."""

    def hole(time: float) -> float | None:
        return None if 0.8 <= time < 1.1 else time

    def late(seconds: float):
        return lambda time: time + (seconds if time > 1.0 else 0.0)

    return {
        "hole.mkv": (Sound("pcm_s16le", stamp=hole, last=4.0), 0.0, 0.0),
        "hole.mp4": (Sound("aac", stamp=hole, last=4.0), 0.0, 0.0),
        "one_block_late.mkv": (Sound("pcm_s16le", stamp=late(0.02), last=4.0), 0.02, 0.0),
        "pause.mkv": (Sound("pcm_s16le", stamp=late(0.5), last=4.0), 0.5, 0.0),
        "there_twice.mkv": (Sound("pcm_s16le", stamp=late(-0.03), last=4.0), -0.03, 0.0),
        "broken_clock.mkv": (Sound("pcm_s16le", stamp=late(500.0), last=4.0), 0.0, 0.0),
        "drifting.mkv": (Sound("pcm_s16le", stamp=lambda time: time * 1.004, last=4.0), 0.0, 0.004),
        "jittering.mkv": (
            Sound("pcm_s16le", stamp=lambda time: time + 0.008 * ((round(time * 1000) % 7) / 6 - 0.5), last=4.0),
            0.0,
            0.0,
        ),
    }


@pytest.mark.parametrize("name", sound_kinds())
def test_sound_follows_its_stamps(tmp_path: Path, name: str) -> None:
    sound, later, drift = sound_kinds()[name]
    path = write(tmp_path, Kind(name, [index / 25 for index in range(75)], sounds=[sound], base=Fraction(1, 1000)))
    samples = load_audio(path)
    assert abs(moment(samples, 0.3) * (1 + drift) - 0.3) < 0.005
    for time in (1.7, 2.3, 2.7):
        assert abs(moment(samples, time) * (1 + drift) + later - time) < 0.005, time
    if name.startswith("hole"):
        assert np.abs(samples[round(0.9 * 16000) : round(1.0 * 16000)]).max() < 0.02
