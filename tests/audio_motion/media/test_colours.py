"""Colours, orientation, rows and sizes of pictures as players show them."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from audio_motion.media import lazy_frames, probe, read_frames
from tests.audio_motion.media.kinds import (
    SIZE,
    Kind,
    assert_in_place,
    assert_parts_are_the_whole_s,
    boxes,
    number_of,
    picture,
    write,
)

COLOURS = [(200, 140, 120), (40, 90, 160), (235, 235, 235), (16, 120, 60)]
"""Skin, a blue, near white, a dark green: stripes from left to right."""
LIMITED, FULL = ColorRange.MPEG, ColorRange.JPEG
TIMES = [0.0, 0.04, 0.08]


def stripes(size: tuple[int, int]) -> np.ndarray:
    rgb = np.zeros((size[1], size[0], 3), np.uint8)
    for index, colour in enumerate(COLOURS):
        rgb[:, index * size[0] // 4 : (index + 1) * size[0] // 4] = colour
    return rgb


def seen(path: Path) -> list[np.ndarray]:
    """Mean colour in the middle of each stripe of the first frame."""
    assert_parts_are_the_whole_s(path)
    rgb = next(read_frames(path))[1].astype(float)
    width = rgb.shape[1] // 4
    return [rgb[8:-8, width * i + width // 3 : width * (i + 1) - width // 3].mean(axis=(0, 1)) for i in range(4)]


def write_stripes(
    folder: Path,
    name: str,
    codec: str,
    pix_fmt: str,
    matrix: Colorspace,
    values: ColorRange,
    tags: tuple[int, int],
    size: tuple[int, int] = (96, 64),
) -> Path:
    """A file of `stripes`, made with a matrix and range, and tagged (matrix, range) as told; 2 and 0 say nothing."""

    def setup(stream: Any) -> None:
        stream.codec_context.colorspace, stream.codec_context.color_range = tags

    def frame(number: int) -> av.VideoFrame:
        made = av.VideoFrame.from_ndarray(stripes(size), format="rgb24").reformat(
            format=pix_fmt, dst_colorspace=matrix, dst_color_range=values
        )
        made.colorspace, made.color_range = tags
        return made

    options = {"crf": "4"} if codec == "libx264" else {}
    base = Fraction(1, 25)  # MPEG-2 knows no finer
    kind = Kind(name, TIMES, codec, pix_fmt, size, sounds=[], setup=setup, frame=frame, options=options, base=base)
    return write(folder, kind)


CODED = [
    ("tagged_601.mp4", "libx264", "yuv420p", Colorspace.ITU601, LIMITED, (6, 1), SIZE),
    ("tagged_709.mp4", "libx264", "yuv420p", Colorspace.ITU709, LIMITED, (1, 1), SIZE),
    ("tagged_601_though_high.mp4", "libx264", "yuv420p", Colorspace.ITU601, LIMITED, (5, 1), (96, 720)),
    ("untagged_small.mp4", "libx264", "yuv420p", Colorspace.ITU601, LIMITED, (2, 0), SIZE),
    ("untagged_high.mp4", "libx264", "yuv420p", Colorspace.ITU709, LIMITED, (2, 0), (96, 720)),
    ("untagged_wide.mp4", "libx264", "yuv420p", Colorspace.ITU709, LIMITED, (2, 0), (1280, 64)),
    ("untagged_pal.mpg", "mpeg2video", "yuv420p", Colorspace.ITU601, LIMITED, (2, 0), (720, 576)),
    ("full_709.mp4", "libx264", "yuv420p", Colorspace.ITU709, FULL, (1, 2), SIZE),
    ("full_yuvj.mp4", "libx264", "yuvj420p", Colorspace.ITU601, FULL, (6, 2), SIZE),
    ("motion_jpeg.avi", "mjpeg", "yuvj422p", Colorspace.ITU601, FULL, (5, 2), SIZE),
    ("ten_bits.mp4", "libx264", "yuv420p10le", Colorspace.ITU709, LIMITED, (1, 1), SIZE),
    ("ten_bits_422.mkv", "ffv1", "yuv422p10le", Colorspace.ITU709, LIMITED, (1, 1), SIZE),
    ("444.mp4", "libx264", "yuv444p", Colorspace.ITU709, LIMITED, (1, 1), SIZE),
    ("4:1:0.mkv", "ffv1", "yuv410p", Colorspace.ITU601, LIMITED, (6, 1), SIZE),
    ("411.mkv", "ffv1", "yuv411p", Colorspace.ITU601, LIMITED, (6, 1), SIZE),
    ("rgb.mkv", "ffv1", "bgr0", Colorspace.DEFAULT, FULL, (0, 2), SIZE),
    ("rgb.mp4", "libx264rgb", "rgb24", Colorspace.DEFAULT, FULL, (0, 2), SIZE),
    ("palette.gif", "gif", "rgb8", Colorspace.DEFAULT, FULL, (0, 2), SIZE),
    ("odd_size.mkv", "ffv1", "yuv420p", Colorspace.ITU601, LIMITED, (6, 1), (97, 65)),
    ("bt2020_matrix.mp4", "libx264", "yuv420p10le", Colorspace.BT2020, LIMITED, (9, 1), SIZE),
]


@pytest.mark.parametrize("coded", CODED, ids=lambda coded: coded[0])
def test_colours_come_back_as_they_were(tmp_path: Path, coded: tuple) -> None:
    _, codec, *_, size = coded
    path = write_stripes(tmp_path, *coded)
    info = probe(path)
    assert (info.width, info.height) == size
    most = 36 if codec == "gif" else 5  # of 8 bits a pixel
    for wanted, found in zip(COLOURS, seen(path), strict=True):
        assert np.abs(found - wanted).max() <= most, (wanted, found)


def test_grey_stays_grey(tmp_path: Path) -> None:
    for name, pix_fmt in (("grey.mkv", "gray"), ("grey_10_bits.mkv", "gray10le")):
        kind = Kind(name, TIMES, "ffv1", pix_fmt)
        path = write(tmp_path, kind)
        assert_in_place(path, TIMES, heard=[])
        rgb = next(read_frames(path))[1]
        assert np.abs(rgb[40, 60].astype(int) - 90).max() <= 2
        assert np.ptp(rgb[40, 10].astype(int)) == 0


def plain_light(colour: tuple[int, int, int]) -> np.ndarray:
    """Linear light of an SDR colour, 1 being white."""
    return (np.array(colour) / 255) ** 2.4


TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
TO_P3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])


def as_pq(light: np.ndarray) -> np.ndarray:
    power = (TO_BT2020 @ light * 203 / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def as_hlg(light: np.ndarray) -> np.ndarray:
    display = TO_BT2020 @ light * 203 / 1000
    scene = display * (display @ [0.2627, 0.6780, 0.0593]) ** (1 / 1.2 - 1)
    return np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    )


def as_bt2020(light: np.ndarray) -> np.ndarray:
    return (TO_BT2020 @ light) ** (1 / 2.4)


def as_p3(light: np.ndarray) -> np.ndarray:
    return np.clip(TO_P3 @ light, 0, 1) ** (1 / 2.4)


DEEP = {
    # How light is coded, and the tags: matrix, primaries, transfer.
    "pq": (as_pq, (9, 9, 16), (0.2627, 0.0593)),
    "hlg": (as_hlg, (9, 9, 18), (0.2627, 0.0593)),
    "bt2020": (as_bt2020, (9, 9, 14), (0.2627, 0.0593)),
    "display_p3": (as_p3, (1, 12, 1), (0.2126, 0.0722)),
}


def write_deep(folder: Path, kind: str, lights: list[np.ndarray]) -> Path:
    """Stripes of light in 10 bits."""
    code, tags, (red, blue) = DEEP[kind]
    planes = np.zeros((3, 64, 96))
    for index, light in enumerate(lights):
        r, g, b = code(light)
        y = red * r + (1 - red - blue) * g + blue * b
        columns = slice(index * 96 // 4, (index + 1) * 96 // 4)
        planes[:, :, columns] = np.array(
            [64 + 876 * y, 512 + 896 * (b - y) / (2 * (1 - blue)), 512 + 896 * (r - y) / (2 * (1 - red))]
        )[:, None, None]

    def setup(stream: Any) -> None:
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = tags
        context.color_range = 1

    def frame(number: int) -> av.VideoFrame:
        made = av.VideoFrame(96, 64, "yuv444p10le")
        for plane, values in zip(made.planes, np.round(planes).astype("<u2"), strict=True):
            rows = np.zeros((64, plane.line_size // 2), "<u2")
            rows[:, :96] = values
            plane.update(rows.tobytes())
        made.colorspace, made.color_primaries, made.color_trc = tags
        made.color_range = 1
        return made

    return write(
        folder,
        Kind(f"{kind}.mp4", TIMES, "libx264", "yuv444p10le", sounds=[], setup=setup, frame=frame, options={"crf": "2"}),
    )


@pytest.mark.parametrize("kind", DEEP)
def test_wide_colours_become_those_of_a_plain_screen(tmp_path: Path, kind: str) -> None:
    path = write_deep(tmp_path, kind, [plain_light(colour) for colour in COLOURS])
    for wanted, found in zip(COLOURS, seen(path), strict=True):
        below_white = max(wanted) < 220 or kind not in ("pq", "hlg")
        most = np.where(np.array(wanted) < 50, 8, 5) if below_white else 12  # the table is coarse where it is dark
        assert (np.abs(found - wanted) <= most).all(), (wanted, found)
    notes = probe(path).notes
    assert len(notes) == (kind in ("pq", "hlg"))
    if notes:
        assert f"high dynamic range ({kind.upper()}) and was tone-mapped" in notes[0]


@pytest.mark.parametrize("kind", ["pq", "hlg"])
def test_what_is_brighter_than_white_stays_told_apart_and_keeps_its_hue(tmp_path: Path, kind: str) -> None:
    bright = [np.full(3, level) for level in (0.8, 1.2, 2.0)] + [np.array([3.0, 1.0, 0.5])]
    found = seen(write_deep(tmp_path, kind, bright))
    levels = [colour.mean() for colour in found[:3]]
    assert levels == sorted(levels)
    assert np.diff(levels).min() > 1
    assert levels[-1] <= 255
    red, green, blue = (found[3] / 255) ** 2.4
    assert red / green == pytest.approx(3.0, rel=0.15)
    assert green / blue == pytest.approx(2.0, rel=0.15)


MATRICES: dict[str, tuple[tuple[int, int, int, int], Callable[[np.ndarray], np.ndarray]]] = {
    # a, b, c, d of the display matrix (x' = a x + c y, y' = b x + d y), and what it does to a picture.
    "upright": ((1, 0, 0, 1), lambda rgb: rgb),
    "quarter_clockwise": ((0, 1, -1, 0), lambda rgb: np.rot90(rgb, -1)),
    "half": ((-1, 0, 0, -1), lambda rgb: np.rot90(rgb, 2)),
    "quarter_counterclockwise": ((0, -1, 1, 0), lambda rgb: np.rot90(rgb, 1)),
    "mirrored": ((-1, 0, 0, 1), lambda rgb: rgb[:, ::-1]),
    "upside_down": ((1, 0, 0, -1), lambda rgb: rgb[::-1]),
    "transposed": ((0, 1, 1, 0), lambda rgb: rgb.transpose(1, 0, 2)),
    "transversed": ((0, -1, -1, 0), lambda rgb: rgb[::-1, ::-1].transpose(1, 0, 2)),
}


@pytest.mark.parametrize("name", MATRICES)
def test_every_display_matrix(tmp_path: Path, name: str) -> None:
    matrix, turn = MATRICES[name]
    plain = write(tmp_path, Kind("plain.mp4", TIMES, numbers=[5, 6, 7], sounds=[]))
    data = bytearray(plain.read_bytes())
    # The track header (ISO 14496-12, 8.3.2, version 0) holds the matrix 40 bytes after its version, in 16.16.
    at = boxes(data, b"tkhd")[0] + 40
    for slot, value in zip((0, 1, 3, 4), matrix, strict=True):
        data[at + 4 * slot : at + 4 * slot + 4] = (value * 65536).to_bytes(4, "big", signed=True)
    (tmp_path / "turned.mp4").write_bytes(data)
    upright = next(read_frames(plain))[1]
    np.testing.assert_array_equal(next(read_frames(tmp_path / "turned.mp4"))[1], turn(upright))
    info = probe(tmp_path / "turned.mp4")
    assert (info.height, info.width) == turn(upright).shape[:2]
    for degrees in (0, 90, 180, 270):
        assert_parts_are_the_whole_s(tmp_path / "turned.mp4", turn=degrees)
        shown = next(lazy_frames(tmp_path / "turned.mp4", turn=degrees))[1].rgb
        np.testing.assert_array_equal(shown, np.rot90(turn(upright), -degrees // 90))


def bar(number: int, size: tuple[int, int] = (128, 96)) -> np.ndarray:
    """A soft bar that moves by four pixels a field."""
    x = np.arange(size[0])
    wave = 60 + 150 * np.exp(-(((x - 20 - 4 * number) / 8.0) ** 2))
    return np.repeat(np.tile(wave, (size[1], 1))[..., None], 3, axis=2).round().astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "codec"), [("dv_like.avi", "mpeg2video"), ("h264.mp4", "libx264"), ("broadcast.ts", "mpeg2video")]
)
def test_interlaced_pictures_lose_their_combs(tmp_path: Path, name: str, codec: str) -> None:
    def frame(number: int) -> av.VideoFrame:
        woven = bar(2 * number + 1)  # without a flag on the frames, encoders write the bottom field as the first
        woven[1::2] = bar(2 * number)[1::2]
        return av.VideoFrame.from_ndarray(woven, format="rgb24").reformat(format="yuv420p")

    options = {"flags": "+ildct+ilme"} if codec == "mpeg2video" else {"x264-params": "bff=1", "crf": "12"}
    if codec == "mpeg2video":
        options |= {"b": "8000000"}
    times = [index / 25 for index in range(12)]
    kind = Kind(name, times, codec, size=(128, 96), sounds=[], options=options, frame=frame, base=Fraction(1, 25))
    path = write(tmp_path, kind)
    frames = list(read_frames(path))
    assert [round(time, 3) for time, _ in frames] == [round(time, 3) for time in times]
    for number, (_, rgb) in enumerate(frames[1:-1], 1):
        rows = rgb[8:-8, :, 0].astype(float)
        assert np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]).mean() < 2
        assert np.abs(rows.mean(axis=0) - bar(2 * number)[0, :, 0]).mean() < 4  # the first field's moment
    assert any("interlaced and was deinterlaced" in note for note in probe(path).notes)


def test_combs_of_a_file_that_is_not_tagged_go_when_asked(tmp_path: Path) -> None:
    def frame(number: int) -> av.VideoFrame:
        woven = bar(2 * number + 1)
        woven[1::2] = bar(2 * number)[1::2]
        return av.VideoFrame.from_ndarray(woven, format="rgb24").reformat(format="yuv420p")

    times = [index / 25 for index in range(8)]
    kind = Kind("plain.mp4", times, "libx264", size=(128, 96), sounds=[], options={"crf": "8"}, frame=frame)
    path = write(tmp_path, kind)

    def combs(deinterlace: bool) -> list[float]:
        pictures = [rgb[8:-8, :, 0].astype(float) for _, rgb in read_frames(path, deinterlace=deinterlace)]
        return [float(np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]).mean()) for rows in pictures]

    assert min(combs(False)) > 10
    assert max(combs(True)[1:-1]) < 2
    assert len(combs(True)) == 8


def test_a_resolution_that_changes_midway(tmp_path: Path) -> None:
    path = tmp_path / "call.ts"
    first, second, turned = (Kind("", TIMES, size=size) for size in ((96, 64), (192, 128), (64, 96)))
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"preset": "ultrafast", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        number = 0
        for kind in (first, second, turned):
            context = av.CodecContext.create("libx264", "w")
            context.width, context.height, context.pix_fmt = *kind.size, "yuv420p"
            context.time_base, context.options = Fraction(1, 25), {"preset": "ultrafast", "tune": "zerolatency"}
            packets = []
            for _ in range(10):
                rgb = picture(number, kind.size) if kind is not turned else np.full((96, 64, 3), 200, np.uint8)
                frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                packets += context.encode(frame)
                number += 1
            for packet in packets + context.encode(None):
                packet.stream = stream
                file.mux(packet)
    for _, frame in lazy_frames(path):
        np.testing.assert_array_equal(frame.part(5, 3, 60, 40), frame.rgb[3:43, 5:65])
        assert frame.shrunk(48).shape == (32, 48, 3)
    frames = [rgb for _, rgb in read_frames(path)]
    assert {rgb.shape for rgb in frames} == {(64, 96, 3)}
    assert [number_of(rgb) for rgb in frames[:20]] == list(range(20))
    assert frames[25][32, 48].min() > 180  # upright in the middle, black at its sides
    assert frames[25][32, :24].max() < 20
    assert len(frames) == 30


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    for aspect, width in ((Fraction(4, 3), 128), (Fraction(8, 9), 85), (Fraction(1, 500), 96)):

        def setup(stream: Any, aspect: Fraction = aspect) -> None:
            stream.codec_context.sample_aspect_ratio = aspect

        path = write(tmp_path, Kind("wide.mkv", TIMES, sounds=[], setup=setup))
        assert (probe(path).width, probe(path).height) == (width, 64)
        assert next(read_frames(path))[1].shape == (64, width, 3)
        assert_parts_are_the_whole_s(path)
    assert math.isclose(probe(path).fps, 25)
