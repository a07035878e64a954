"""What becomes of rendered layers: other backgrounds, none at all, other sizes, a label; each checked by its truth."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from audio_motion.errors import InputError
from geneface_ns.output.backgrounds import GREEN, backgrounds
from geneface_ns.output.finish import Frame, as_filmed, cover, marked, over, over_nothing
from geneface_ns.output.look import LookOptions
from geneface_ns.output.video import VideoWriter
from geneface_ns.renderers.contract import Layers

SIDE = 64


def disc() -> tuple[np.ndarray, np.ndarray]:
    """A soft disc: its colour [H, W, 3] and opacity [H, W, 1], float32 in [0, 1]."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    opacity = np.clip((20 - np.hypot(x - 32, y - 32)) / 5 + 0.5, 0, 1).astype(np.float32)[..., None]
    colour = np.stack([x / SIDE, y / SIDE, np.full_like(x, 0.2)], axis=-1).astype(np.float32)
    return colour, opacity


def layers() -> Layers:
    """The disc over white."""
    colour, opacity = map(torch.from_numpy, disc())
    person = torch.cat([colour * opacity, opacity], dim=-1)
    rgb = person[..., :3] + (1 - opacity)
    return Layers(rgb, rgb, opacity, opacity, person)


def whole() -> Frame:
    return Frame.around((SIDE, SIDE), None)


def composed(behind: np.ndarray) -> np.ndarray:
    colour, opacity = disc()
    return colour * opacity * 255 + (1 - opacity) * behind


@pytest.mark.parametrize(("background", "colour"), [("green", GREEN), ("#336699", (0x33, 0x66, 0x99))])
def test_a_colour_lies_behind_the_person(background: str, colour: tuple[int, int, int]) -> None:
    finish = over(whole(), backgrounds(background, (SIDE, SIDE), 25.0))
    for _ in range(2):
        shown = finish(layers())
        np.testing.assert_allclose(shown, composed(np.array(colour)), atol=0.51)


def test_a_picture_covers_the_frame(tmp_path: Path) -> None:
    wide = np.zeros((50, 200, 3), np.uint8)
    wide[:, 75:125] = (10, 20, 30)
    cv2.imwrite(str(tmp_path / "wide.png"), wide)
    shown = next(backgrounds(str(tmp_path / "wide.png"), (SIDE, SIDE), 25.0))
    assert shown.shape == (SIDE, SIDE, 3)
    assert (shown[:, 2:-2] == (30, 20, 10)).all()  # OpenCV's order is blue first


def test_a_video_loops_on_its_own_clock(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "five.mp4", (32, 32), 10.0, crf=0) as writer:
        for index in range(5):
            writer.write(np.full((32, 32, 3), 40 * index, np.uint8))
    shown = [
        int(frame.mean() / 40 + 0.5) for frame in islice(backgrounds(str(tmp_path / "five.mp4"), (16, 16), 20.0), 20)
    ]
    # Half a second, ten frames at 20 a second, then again from its first picture.
    assert shown[:10] == shown[10:]
    assert [shown[index] for index in range(0, 10, 2)] == [0, 1, 2, 3, 4]
    later = backgrounds(str(tmp_path / "five.mp4"), (16, 16), 20.0, first=13)
    assert [int(frame.mean() / 40 + 0.5) for frame in islice(later, 5)] == shown[13:18]


@pytest.mark.parametrize("suffix", [".mov", ".webm"])
def test_alpha_comes_back_straight(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"person{suffix}"
    with VideoWriter(path, (SIDE, SIDE), 25.0, crf=4, alpha=True) as writer:
        for _ in range(3):
            writer.write(over_nothing(whole())(layers()))
    rgba = decoded_rgba(path)
    colour, opacity = disc()
    np.testing.assert_allclose(rgba[..., 3:], opacity * 255, atol=10)
    seen = opacity[..., 0] > 0.1
    # Straight: the colour along the edge is the disc's own, not darkened by its opacity.
    assert np.abs(rgba[..., :3] - colour * 255)[seen].mean() < 4
    behind = np.array([255.0, 0, 255])
    shown = rgba[..., :3] * (rgba[..., 3:] / 255) + behind * (1 - rgba[..., 3:] / 255)
    assert np.abs(shown - composed(behind)).mean() < 3


def decoded_rgba(path: Path) -> np.ndarray:
    """The first frame with its alpha, float [H, W, 4]. FFmpeg's own VP9 decoder leaves alpha out, libvpx's does not."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = av.CodecContext.create("libvpx-vp9", "r") if path.suffix == ".webm" else stream.codec_context
        packets = (packet for packet in container.demux(stream) if packet.size)
        frame = next(frame for packet in packets for frame in decoder.decode(packet))
        return frame.reformat(format="rgba").to_ndarray().astype(float)


def test_another_aspect_shows_the_person_whole() -> None:
    wide = Frame.around((SIDE, SIDE), (160, SIDE))
    shown = over(wide, backgrounds("#000000", wide.size, 25.0))(layers())
    assert shown.shape == (SIDE, 160, 3)
    np.testing.assert_allclose(shown[:, 48:112], composed(np.zeros(3)), atol=0.51)
    assert not shown[:, :48].any()
    tall = Frame.around((SIDE, SIDE), (SIDE, 100))
    filmed = as_filmed(tall)(layers())
    np.testing.assert_array_equal(filmed[36:], as_filmed(whole())(layers()))  # on the lower edge
    assert filmed[:30].std() < filmed[36:].std()  # filled, out of focus
    assert filmed[:30].mean() > 100
    assert Frame.around((100, 100), (333, 50)).inner == (50, 50)


def test_the_label_is_in_the_corner_alone() -> None:
    plain, labelled = as_filmed(whole()), marked(as_filmed(whole()))
    changed = (plain(layers()) != labelled(layers())).any(axis=-1)
    assert changed[40:].any()
    assert not changed[:40].any()
    rgba = marked(over_nothing(whole()))(layers())
    assert (rgba[40:, :, 3] >= 128).sum() > (over_nothing(whole())(layers())[40:, :, 3] >= 128).sum()


def test_cover_keeps_what_fits() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    np.testing.assert_array_equal(cover(picture, (30, 20)), picture)
    np.testing.assert_array_equal(cover(picture, (20, 20)), picture[:, 5:25])


@pytest.mark.parametrize(
    ("options", "output", "message"),
    [
        ({"alpha": True}, "a.mp4", "carries no alpha; name it .mov"),
        ({"alpha": True, "background": "green"}, "a.mov", "--background and --alpha exclude"),
        ({"replay": True, "background": "green"}, "a.mp4", "--background and --replay exclude"),
        ({"replay": True, "size": (64, 64)}, "a.mp4", "--size does not go with --replay"),
        ({"background": "#12345"}, "a.mp4", "not a colour"),
        ({"background": "{here}/gone.png"}, "a.mp4", "no such file"),
        ({"background": "{here}"}, "a.mp4", "is a folder"),
        ({"background": "{here}/text.png"}, "a.mp4", "neither a picture nor a video"),
        ({"background": "{here}/cut.png"}, "a.mp4", "neither a picture nor a video"),
        ({"size": (15, 64)}, "a.mp4", "even numbers from 16 to 4096"),
        ({"size": (64, 99999)}, "a.mp4", "even numbers from 16 to 4096"),
        ({"paste_back": "{here}/text.png"}, "a.mp4", "text.png: "),
        ({}, "a.avi", "cannot write a video of type"),
    ],
)
def test_bad_options_are_one_line(tmp_path: Path, options: dict, output: str, message: str) -> None:
    (tmp_path / "text.png").write_text("no picture " * 100)
    cv2.imwrite(str(tmp_path / "cut.png"), np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:40])
    given = {k: v.format(here=tmp_path) if isinstance(v, str) else v for k, v in options.items()}
    if "paste_back" in given:
        given["paste_back"] = Path(given["paste_back"])
    with pytest.raises(InputError, match=message) as caught:
        LookOptions(**given).check(tmp_path / output)
    assert "\n" not in str(caught.value)
