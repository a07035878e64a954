"""The parts of the capture on inputs whose answer can be computed by hand."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_motion.errors import InputError
from geneface_ns.capture import background, boxes, masks, transforms
from geneface_ns.capture.body import as_indices, to_full_size
from geneface_ns.capture.collar import collar_curve
from geneface_ns.capture.crop import choose_crop
from geneface_ns.capture.cuts import CutDetector
from geneface_ns.capture.fill import fill_smoothly, seen_median
from geneface_ns.capture.follow import Follower
from geneface_ns.capture.matte import refine_matte
from geneface_ns.capture.options import CaptureOptions
from geneface_ns.capture.report import advice
from geneface_ns.capture.state import REMOVED, State, open_state
from geneface_ns.capture_format.layout import Layout


def test_a_head_and_shoulders_picture_is_kept_whole() -> None:
    crop = choose_crop(np.array([[130.0, 140, 380, 390]]), 512, 512, None)
    assert (crop.x, crop.y, crop.width, crop.height, crop.out_width, crop.out_height) == (0, 0, 512, 512, 512, 512)
    nearly = choose_crop(np.array([[130.0, 140, 380, 390]]), 576, 500, 256)
    assert (nearly.width, nearly.height, nearly.out_width, nearly.out_height) == (576, 500, 256, 222)


def test_a_wide_picture_is_cropped_to_a_square_around_the_person() -> None:
    # Face box 200 wide about (1300, 400): side 2.4 x 200 = 480, centre 0.15 x 200 = 30 below the face's.
    crop = choose_crop(np.array([[1200.0, 300, 1400, 500]]), 1920, 1080, None)
    assert (crop.x, crop.y, crop.width, crop.height) == (1060, 190, 480, 480)
    assert (crop.out_width, crop.out_height) == (480, 480)


@settings(max_examples=60)
@given(
    width=st.integers(160, 2000),
    height=st.integers(160, 2000),
    face=st.floats(0.05, 0.5),
    places=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8),
    size=st.none() | st.integers(64, 800),
)
def test_the_crop_lies_in_the_picture_and_holds_every_face(width, height, face, places, size) -> None:
    side = face * min(width, height)
    low = np.array([[x * (width - side), y * (height - side)] for x, y in places])
    crop = choose_crop(np.concatenate([low, low + side], axis=1), width, height, size)
    assert crop.x >= 0
    assert crop.x + crop.width <= width
    assert crop.y >= 0
    assert crop.y + crop.height <= height
    assert crop.out_width % 2 == crop.out_height % 2 == 0
    assert max(crop.out_width, crop.out_height) <= (size or 512)
    if crop.height < min(width, height):  # else the person moves further than a square of the picture can hold
        assert (low >= [crop.x - 1, crop.y - 1]).all()
        assert (low + side <= [crop.x + crop.width + 1, crop.y + crop.height + 1]).all()


def _scene(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 255, (12, 12, 3)).astype(np.float32)
    return cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def test_a_cut_is_found_at_its_frame_and_motion_and_flashes_are_none() -> None:
    a, b = _scene(1), _scene(2)
    moving = [np.roll(a, i, axis=1) for i in range(20)]
    flash = [np.clip(moving[-1].astype(int) + 60, 0, 255).astype(np.uint8), moving[-1]]
    cut = CutDetector()
    assert [cut(frame) for frame in [*moving, *flash, *[b] * 5]] == [False] * 22 + [True] + [False] * 4


def test_black_between_pictures_is_no_cut_but_what_follows_may_be() -> None:
    a, b, black = _scene(1), _scene(2), np.zeros((120, 160, 3), np.uint8)
    fade = [(a * (i / 5)).astype(np.uint8) for i in range(6)]
    cut = CutDetector()
    assert not any([cut(frame) for frame in [*[black] * 3, *fade, *[a] * 9, *fade[::-1], black, *fade, *[a] * 9]])
    assert [cut(frame) for frame in [*fade[::-1], black, black, b, b]] == [False] * 8 + [True, False]


@settings(max_examples=15)
@given(
    shift=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
    linear=st.tuples(*[st.floats(-0.03, 0.03)] * 4),
    gain=st.floats(0.9, 1.1),
)
def test_the_follower_finds_a_known_affine_motion(shift, linear, gain) -> None:
    texture = cv2.GaussianBlur(np.random.default_rng(5).uniform(0, 255, (120, 120)).astype(np.float32), (0, 0), 3)
    texture = (texture - texture.mean()) * 4 + 120
    mask = np.zeros((120, 120), bool)
    mask[60:110, 20:100] = True
    matrix = np.eye(3)[:2] + np.array([[linear[0], linear[1], 0], [linear[2], linear[3], 0]])
    centre = np.array([60, 85.0])
    matrix[:, 2] = centre + shift - matrix[:, :2] @ centre
    moved = cv2.warpAffine(texture * gain, matrix, (120, 120), borderMode=cv2.BORDER_REFLECT)
    moved[:30] = 0  # something else happens outside
    found, correlation = Follower(texture, mask)(moved, np.eye(3)[:2])
    corners = np.array([[20, 60, 1], [100, 60, 1], [20, 110, 1], [100, 110, 1]], float)
    assert np.linalg.norm((found - matrix) @ corners.T, axis=0).mean() < 0.3
    assert correlation > 0.98


def test_small_indices_become_full_pixels() -> None:
    # A small pixel to the right is two full ones; turning about the picture's corner (index -0.5) keeps that corner.
    move = np.array([[[1.0, 0, 1], [0, 1, 0]]])
    assert to_full_size(move, (2.0, 2.0))[0].tolist() == [[1, 0, 2], [0, 1, 0]]
    half = np.full(2, 0.5)
    turn = np.array([[0.0, -1], [1, 0]])
    about_corner = np.concatenate([turn, (turn @ half - half)[:, None]], axis=1)
    assert to_full_size(about_corner[None], (3.0, 3.0))[0][:, 2] == pytest.approx([0, 0])
    assert as_indices(np.concatenate([turn, np.zeros((2, 1))], axis=1)) == pytest.approx(about_corner)


def test_median_over_what_was_seen() -> None:
    pictures = np.zeros((3, 1, 2, 3), np.uint8)
    pictures[:, 0, 0, 0] = (10, 200, 30)
    seen = np.array([[[True, False]], [[False, False]], [[True, False]]])
    median, count = seen_median(pictures, seen)
    assert median[0, 0, 0] == 10
    assert count.tolist() == [[2, 0]]
    assert seen_median(pictures, np.ones((3, 1, 2), bool))[0][0, 0, 0] == 30


def test_filling_leaves_the_known_and_is_between_its_neighbours() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, :20], picture[:, 44:] = 40, 200
    known = np.ones((64, 64), bool)
    known[:, 20:44] = False
    filled = fill_smoothly(picture, known)
    assert (filled[known] == picture[known]).all()
    assert filled[~known].min() >= 39
    assert filled[~known].max() <= 201
    row = filled[32, 20:44, 0].astype(int)
    assert row[0] < 90
    assert row[-1] > 150
    assert (np.diff(row) >= -2).all()


def test_background_frames_are_those_that_see_most() -> None:
    person = np.full((300, 8, 8), 255, np.uint8)
    person[:, :4] = 0
    person[177, 4:] = 0  # the one frame that shows what is behind
    assert 177 in background.choose_frames(person, 10)


def test_the_collar_is_where_skin_ends() -> None:
    height = width = 96
    points = np.zeros((68, 2))
    angle = np.linspace(0, np.pi, 17)
    points[:17] = np.stack([48 - 22 * np.cos(angle), 36 + 26 * np.sin(angle)], axis=1)  # chin at (48, 62)
    points[17:] = [48, 36]
    points[27:31, 1], points[30, 1] = (26, 30, 34, 38), 40
    points[60:68] = [48, 50]
    picture = np.full((height, width, 3), (40, 90, 200), np.uint8)
    person = np.zeros((height, width), np.uint8)
    cv2.ellipse(person, (48, 36), (24, 27), 0, 0, 360, (255,), -1)
    picture[person > 0] = (200, 150, 120)
    person[50:74, 36:61], picture[50:74, 36:61] = 255, (180, 130, 105)
    person[74:, 6:90], picture[74:, 6:90] = 255, (30, 120, 60)
    curve = collar_curve(picture[None], person[None], points[None])
    assert np.abs(curve[38:59] - 74).max() < 1.5
    side = masks.head_side(masks.Collar.of(curve, (1.0, 1.0)), np.eye(3)[:2], points, (height, width))
    labels = masks.label(person, side, points)
    assert (labels[:72, 38:59][person[:72, 38:59] > 0] == masks.HEAD).all()
    assert (labels[77:, 6:90] == masks.TORSO).all()
    assert (labels[person == 0] == masks.BACKGROUND).all()


def test_the_matte_moves_onto_the_pictures_edge() -> None:
    picture = np.full((256, 256, 3), (30, 60, 200), np.uint8)
    picture[:, 128:] = (200, 160, 120)
    matte = np.zeros((256, 256), np.float32)
    matte[:, 125:] = 1  # three pixels too wide
    refined = refine_matte(picture, matte)
    assert (refined[:, :126] < 64).all()
    assert (refined[:, 130:] > 192).all()
    plain = refine_matte(np.full_like(picture, 90), matte)  # nothing to go by: it stays
    assert (plain[:, :123] < 64).all()
    assert (plain[:, 127:] > 192).all()


def test_outline_rays_meet_the_head() -> None:
    # Focal length 100, 4 units away: 25 px a unit at the origin; the square's edges lie at +-20 px, 0.8 units.
    labels = np.zeros((100, 100), np.uint8)
    labels[30:70, 30:70] = masks.HEAD
    c2w = np.eye(4)
    c2w[2, 3] = 4
    points = boxes.outline_rays(labels, masks.HEAD, c2w, 100, (50, 50))
    middle = points[np.abs(points[:, 2]) < 1e-9]
    assert middle[:, :2].min(axis=0) == pytest.approx([-0.78, -0.78])
    assert middle[:, 0].max() == pytest.approx(0.78)
    assert boxes.head_box(points)[0][2] == -0.75
    assert boxes.head_box(points)[1][2] == 0.75
    assert boxes.head_box(np.array([[-3.0, -3, 0], [3, 3, 0]])) == [[-1.2, -1.2, -0.75], [1.2, 1.2, 0.75]]


@given(st.lists(st.booleans(), min_size=2, max_size=400))
def test_the_split_keeps_the_last_eleventh_of_what_can_be_used(valid: list[bool]) -> None:
    split, usable = transforms.split_at(np.array(valid)), sum(valid)
    test = sum(valid[split:])
    assert 0 <= split < len(valid)
    if usable > 1:
        assert test >= 1
        assert usable - test >= 1
        assert abs(test - usable / 11) <= 1


def test_advice_names_what_to_do() -> None:
    fine = {
        "sound_delay_s": 0.02,
        "sound_delay_confidence": 0.4,
        "sound_delay_corrected_s": 0.0,
        "seconds": 60.0,
        "face_width_px": 200.0,
        "size": [512, 512],
        "crop": {"x": 0, "y": 0, "width": 512, "height": 512},
        "valid_fraction": 1.0,
        "reprojection_error_px": 0.7,
        "mouth_opening": [0.0, 0.05, 0.1],
        "yaw_degrees": [-8.0, 8.0],
        "body_lost_fraction": 0.0,
        "background_never_seen": 0.4,
    }
    assert advice(fine) == []
    late = advice({**fine, "sound_delay_s": 0.13, "sound_delay_corrected_s": 0.1})
    assert len(late) == 1
    assert "late" in late[0]
    assert "--sound-delay 0.23" in late[0]
    assert advice({**fine, "sound_delay_s": 0.13, "sound_delay_confidence": 0.15}) == []
    assert "do not agree" in advice({**fine, "sound_delay_confidence": 0.05})[0]
    short = advice({**fine, "seconds": 9.0, "sound_delay_confidence": 0.05})
    assert len(short) == 1
    assert "only 9 s" in short[0]
    # What helps depends on where the pixels are lost: in filming, or by --size.
    close = {**fine, "face_width_px": 65.0, "reprojection_error_px": 0.2}
    assert advice(close) == []
    (far,) = advice({**close, "face_width_px": 50.0})
    assert far == "the face is 50 px wide in the video: film closer, or with more pixels"
    (shrunk,) = advice({**close, "face_width_px": 50.0, "size": [128, 128]})
    assert shrunk == "the face is 50 px wide, of 200 in the video: give a larger --size"
    (enlarged,) = advice({**close, "face_width_px": 80.0, "size": [1024, 1024]})
    assert enlarged.startswith("the face is 40 px wide in the video")


def test_state_is_for_one_video_and_one_set_of_options(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"one")
    config = CaptureOptions(video, tmp_path / "out")
    layout = Layout(config.output)
    open_state(config, layout).mark("sound", frames=3)
    assert open_state(config, layout).stages == {"sound": {"frames": 3}}
    video.write_bytes(b"two")
    with pytest.raises(InputError, match="another video or of other options"):
        open_state(config, layout)
    layout.transforms.write_text(json.dumps({}))
    assert open_state(CaptureOptions(video, tmp_path / "out", overwrite=True), layout).stages == {}
    assert not layout.transforms.exists()
    assert not layout.work.exists()


def test_a_capture_that_lost_its_transforms_is_made_anew_beside_what_was_made_of_it(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"one")
    config = CaptureOptions(video, tmp_path / "out")
    layout = Layout(config.output)
    open_state(config, layout).mark("finish")
    layout.audio.touch()
    (layout.root / "postnet.safetensors").touch()
    assert open_state(config, layout).stages == {}
    assert [path.name for path in layout.root.iterdir()] == ["postnet.safetensors"]


def test_a_damaged_state_is_of_an_unknown_video(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"one")
    config = CaptureOptions(video, tmp_path / "out")
    layout = Layout(config.output)
    open_state(config, layout).mark("sound", frames=3)
    layout.audio.touch()
    whole = layout.state.read_text()
    for damaged in (whole[:-9], whole.replace("3", "4", 1), whole.replace('{"frames": 3}', "null"), "[" * 100_000):
        layout.state.write_text(damaged)
        with pytest.raises(InputError, match="an unfinished capture of an unknown video"):
            open_state(config, layout)


def test_a_removal_that_was_killed_is_gone_on_with(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"one")
    layout = Layout(tmp_path / "out")
    State(layout, REMOVED).save()
    for left in (layout.chunk(0), layout.image(3), layout.audio):
        left.parent.mkdir(exist_ok=True, parents=True)
        left.touch()
    assert open_state(CaptureOptions(video, layout.root), layout).stages == {}
    assert list(layout.root.iterdir()) == []


def test_a_finished_capture_without_its_transforms_is_made_again(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"one")
    config = CaptureOptions(video, tmp_path / "out")
    layout = Layout(config.output)
    open_state(config, layout).mark("finish")
    layout.report.touch()
    layout.pending.touch()
    assert open_state(config, layout).done("finish")  # killed before it could appear
    layout.pending.unlink()
    assert open_state(config, layout).stages == {}
    assert list(layout.root.iterdir()) == []
