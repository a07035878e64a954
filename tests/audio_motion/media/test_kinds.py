"""Every kind of file that people bring: which picture and which moment of its sound lie at which time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from audio_motion.errors import InputError
from audio_motion.media import load_audio, probe, read_frames
from audio_motion.media.rate import choose_rate
from tests.audio_motion.media.kinds import Kind, Sound, assert_in_place, boxes, number_of, write

MS = Fraction(1, 1000)
TICK = Fraction(1, 25)


def at(fps: float, seconds: float = 2.0, start: float = 0.0) -> list[float]:
    return [start + index / fps for index in range(round(seconds * fps))]


def ms(times: list[float]) -> list[float]:
    return [round(time, 3) for time in times]


UNEVEN = ms([0.0, 0.04, 0.08, 0.12, 0.4, 0.44, 0.48, 0.52, 0.56, 0.6, 1.2, 1.24, 1.28, 1.32, 1.36, 1.4, 1.88])
MP2, MP3 = Sound("mp2", block=1152), Sound("libmp3lame", block=576)
PCM, OPUS = Sound("pcm_s16le"), Sound("libopus", 48000, block=960)
B_FRAMES = {"bf": "3", "g": "12"}

CONTAINERS = [
    Kind("h264.mp4", at(25), options=B_FRAMES),
    Kind("hevc.mp4", at(25), "libx265", options={"preset": "ultrafast", "x265-params": "log-level=none"}),
    Kind("stereo_48k.mov", at(30), sounds=[Sound(rate=48000, layout="stereo", block=1024)]),
    Kind("prores.mov", at(25), "prores_ks", "yuv422p10le", sounds=[PCM]),
    Kind("fragmented.mp4", at(25), container={"movflags": "frag_keyframe+delay_moov"}),
    Kind("h264.mkv", at(25), options=B_FRAMES),
    Kind("ffv1.mkv", at(25), "ffv1", sounds=[Sound("flac")]),
    Kind("vp8.webm", ms(at(30)), "libvpx", sounds=[OPUS], base=MS, options={"deadline": "realtime", "cpu-used": "8"}),
    Kind(
        "vp9.webm", ms(at(30)), "libvpx-vp9", sounds=[OPUS], base=MS, options={"deadline": "realtime", "cpu-used": "8"}
    ),
    Kind("h264.ts", at(25), options=B_FRAMES),
    Kind("mpeg2.ts", at(25), "mpeg2video", sounds=[MP2], options={"bf": "2"}, base=TICK),
    Kind("program_stream.mpg", at(25), "mpeg2video", sounds=[MP2], options={"bf": "2"}, base=TICK),
    Kind("mpeg4_b_frames.avi", at(25), "mpeg4", sounds=[PCM], options={"bf": "2"}, base=TICK),
    Kind("h264_b_frames.avi", at(25), sounds=[PCM], options=B_FRAMES, base=TICK),
    Kind("motion_jpeg.avi", at(25), "mjpeg", "yuvj420p", sounds=[PCM], base=TICK),
    Kind("flash.flv", ms(at(25)), base=MS, sounds=[Sound(rate=44100, block=1024)]),
    Kind("windows.wmv", ms(at(25)), "wmv2", base=MS, sounds=[PCM]),
    Kind("phone.3gp", at(15), "mpeg4", base=Fraction(1, 15)),
]


@pytest.mark.parametrize("kind", CONTAINERS, ids=lambda kind: kind.name)
def test_containers_and_codecs(tmp_path: Path, kind: Kind) -> None:
    assert_in_place(write(tmp_path, kind), kind.times)


RATES = [
    Kind("120.mp4", at(120)),
    Kind("1.mp4", at(1, 6), sounds=[Sound(last=7.0)]),
    Kind("29.97.mp4", at(30000 / 1001), base=Fraction(1, 30000)),
    Kind("59.94_in_milliseconds.mkv", ms(at(60000 / 1001)), base=MS),
    Kind("24_in_milliseconds.mkv", ms(at(24)), base=MS),
    Kind("12.5.mp4", at(12.5)),
]


@pytest.mark.parametrize("kind", RATES, ids=lambda kind: kind.name)
def test_regular_rates_are_told_exactly(tmp_path: Path, kind: Kind) -> None:
    path = write(tmp_path, kind)
    assert_in_place(path, kind.times)
    expected = (len(kind.times) - 1) / (kind.times[-1] - kind.times[0])
    assert probe(path).fps == pytest.approx(expected, rel=1e-3)
    assert probe(path).frames == len(kind.times) == len(list(read_frames(path, probe(path).fps)))


VARYING = {
    "uneven.mp4": UNEVEN,
    "uneven.mkv": UNEVEN,
    "uneven.webm": UNEVEN,
    "dense_then_sparse.mp4": ms([*at(25, 1.6), *at(10, 0.8, 1.66)]),
    "sparse_then_dense.mkv": ms([*at(5, 1.0), *at(25, 1.4, 1.0)]),
    "one_in_ten_missing.webm": ms([time for index, time in enumerate(at(25, 2.4)) if index % 10 != 7]),
    "jittering.mkv": ms([time + (0.006 if index % 3 else 0.0) for index, time in enumerate(at(25))]),
}


@pytest.mark.parametrize("name", VARYING)
def test_where_the_rate_varies_dense_stretches_keep_their_frames_and_others_are_held(tmp_path: Path, name: str) -> None:
    times = VARYING[name]
    codec, sound = ("libvpx", OPUS) if name.endswith("webm") else ("libx264", Sound())
    path = write(tmp_path, Kind(name, times, codec, base=MS, sounds=[sound]))
    assert_in_place(path, times)
    assert probe(path).fps == 25
    read = {number_of(rgb) for _, rgb in read_frames(path, 25)}
    assert read == set(range(len(times)))


def test_the_whole_file_decides_on_its_rate() -> None:
    times = np.array([*at(25, 64), *at(10, 16, 64)])
    assert choose_rate(times, 80.0, [Fraction(22)]) == 25
    assert choose_rate(times / 25 * 24, 80.0 / 25 * 24) == pytest.approx(25 / 24 * 25, rel=1e-6)
    assert choose_rate(np.array(at(50, 600)) * 1.0001, 600.06, [Fraction(50)]) == pytest.approx(50 / 1.0001, rel=1e-6)


STARTS = [
    # name, first picture, first second of the sound written, sound's place
    ("picture_late.mp4", 0.4, 0.0, 0.0),
    ("picture_late.mkv", 0.2, 0.0, 0.0),
    ("picture_late.webm", 0.207, 0.0, 0.005),
    ("picture_late.ts", 0.4, 0.0, 0.0),
    ("sound_late.mp4", 0.0, 0.6, 0.0),
    ("sound_late.mkv", 0.0, 0.6, 0.0),
    ("sound_late.ts", 0.0, 0.6, 0.0),
    ("sound_late.mov", 0.0, 0.25, 0.0),
    ("both_late.mkv", 1.0, 1.0, 0.0),
    ("both_far_away.ts", 36000.0, 0.0, 36000.0),
    ("across_the_wrap_of_33_bits.ts", 2**33 / 90000 - 2.4, 0.0, 2**33 / 90000 - 2.4),
]


@pytest.mark.parametrize(("name", "picture_start", "sound_first", "sound_start"), STARTS)
def test_one_zero_whatever_each_streams_first_time(
    tmp_path: Path, name: str, picture_start: float, sound_first: float, sound_start: float
) -> None:
    times = at(25, 2.4, picture_start)
    codec, sound = ("libvpx", OPUS) if name.endswith("webm") else ("libx264", Sound())
    sound = Sound(sound.codec, sound.rate, start=sound_start, first=sound_first, last=4.0, block=sound.block)
    form = {"copyts": "1"} if name.endswith("ts") else {}
    path = write(
        tmp_path,
        Kind(
            name,
            times,
            codec,
            base=MS if name[-4:] in ("webm", ".mkv") else Fraction(1, 90000),
            sounds=[sound],
            container={} if not form else {"mpegts_copyts": "1"},
        ),
    )
    assert_in_place(path, times, sound_start=sound_start, heard=[0.7, 1.2, 1.7])
    samples = load_audio(path)
    silent = max(0.0, sound_first + sound_start - picture_start)
    assert np.abs(samples[: round((silent - 0.03) * 16000)] if silent > 0.03 else np.zeros(1)).max() < 0.02


def test_times_before_zero(tmp_path: Path) -> None:
    times, sound = at(25, 2.4, -0.4), Sound(start=-0.4)
    # QuickTime's kind keeps what lies before 0 and never shows it; the others hold no such times, or move them.
    for name in ("negative.mov", "negative.mp4"):
        path = write(tmp_path, Kind(name, times, sounds=[sound]))
        assert_in_place(path, times[10:], range(10, 60), sound_start=-0.4)
    for name in ("negative.mkv", "negative.ts"):
        assert_in_place(write(tmp_path, Kind(name, times, sounds=[sound])), times, sound_start=-0.4)


def test_the_last_picture_lasts_as_the_file_says(tmp_path: Path) -> None:
    path = write(tmp_path, Kind("held.mp4", at(25, 1.0), hold=1.54, options={"bf": "0"}))
    assert probe(path).duration == pytest.approx(2.5, abs=0.002)
    read = [number_of(rgb) for _, rgb in read_frames(path, 25)]
    assert read == [*range(25), *[24] * (len(read) - 25)]
    assert len(read) in (62, 63)


def test_matroska_without_any_length(tmp_path: Path) -> None:
    kind = Kind("live.mkv", ms(at(25)), base=MS, container={"live": "1"})
    path = write(tmp_path, kind)
    assert_in_place(path, kind.times)
    assert probe(path).duration == pytest.approx(2.0, abs=0.002)


@pytest.mark.parametrize(
    "kind",
    [
        Kind("cut.ts", at(25, 2.8), options={"g": "16", "bf": "2"}, first=5),
        Kind("cut.mpg", at(25, 2.8), "mpeg2video", sounds=[MP2], options={"g": "16", "bf": "2"}, first=5, base=TICK),
        Kind("cut_mpeg2.ts", at(25, 2.8), "mpeg2video", sounds=[MP2], options={"g": "16"}, first=5, base=TICK),
    ],
    ids=lambda kind: kind.name,
)
def test_a_stream_cut_inside_a_group_of_pictures(tmp_path: Path, kind: Kind) -> None:
    path = write(tmp_path, kind)
    number = number_of(next(read_frames(path))[1])
    assert 12 <= number <= 18
    assert_in_place(path, kind.times[number:], range(number, len(kind.times)), heard=[0.3, 1.0, 1.5])
    assert "cannot be decoded" in probe(path).notes[0]


def test_joined_files_are_refused_with_the_second(tmp_path: Path) -> None:
    parts = [write(tmp_path, Kind(f"{i}.ts", at(25, 2.4))) for i in range(2)]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(InputError, match=r"joined\.ts: its clock jumps back by 2\.\d\d s after 2\.\d\d s"):
        probe(joined)
    far = write(tmp_path, Kind("far.mp4", [*at(25, 1.0), *at(25, 1.0, 100.0)], sounds=[]))
    with pytest.raises(InputError, match=r"its clock jumps by 99\.\d s at 0\.96 s"):
        list(read_frames(far))


def test_an_edit_list_cuts_picture_and_sound(tmp_path: Path) -> None:
    # As an editor's copy-cut: everything is there from the last key frame on, and a list says where to begin.
    times = at(25, 3.0)
    path = write(
        tmp_path,
        Kind(
            "cut.mp4",
            times,
            options={"g": "25", "bf": "0"},
            sounds=[Sound("pcm_s16le", last=3.0)],
            form="mov",
            container={"use_editlist": "1"},
        ),
    )
    data = bytearray(path.read_bytes())
    for begin, media in zip(boxes(data, b"elst"), (1.4, 1.4), strict=True):
        scale = int.from_bytes(
            data[(at_mdhd := boxes(data, b"mdhd")[boxes(data, b"elst").index(begin)]) + 12 : at_mdhd + 16], "big"
        )
        data[begin + 12 : begin + 16] = round(media * scale).to_bytes(4, "big")
    path.write_bytes(data)
    assert_in_place(path, times[35:], range(35, 75), heard=[0.3, 0.9])
    assert probe(path).duration == pytest.approx(1.6, abs=0.001)
