"""A whole capture of the procedural person against its truth."""

from __future__ import annotations

import io
import json
import wave
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from audio_motion.errors import InputError
from audio_motion.files import held_alone
from audio_motion.sequence import LandmarkSequence, identity_of
from geneface_ns.capture import masks
from geneface_ns.capture.crop import Crop
from geneface_ns.capture.options import CaptureOptions
from geneface_ns.capture.process import process
from geneface_ns.capture.state import open_state
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.capture_format.layout import Layout
from geneface_ns.capture_format.pictures import read_png
from geneface_ns.output.paste_back import check_original, original_frames
from tests.geneface_ns.capture.conftest import FPS, SIZE, Capture

FRAMES = 60
TEST_FRAMES = 5  # the last eleventh of 60


@pytest.fixture(scope="module")
def contents(capture: Capture) -> dict:
    return json.loads(capture.layout.transforms.read_text())


def test_stopped_in_every_stage_it_goes_on_and_redoes_no_finished_one(capture: Capture) -> None:
    assert len(capture.interrupted) == 9
    assert capture.half_captures == []
    # Each was begun twice: the run that was stopped in it, and the one that went on there.
    assert set(capture.calls.values()) == {2}


def test_work_files_are_gone_and_every_file_is_there(capture: Capture) -> None:
    layout = capture.layout
    assert [path.name for path in layout.work.iterdir()] == ["state.json"]
    names = {path.name for path in layout.root.iterdir()}
    assert names == {
        *("transforms.json", "images", "masks", "torso", "background.png", "landmarks.npz", "audio.wav"),
        *("report.json", "report.png", ".process"),
    }
    wanted = [f"{frame:05d}.png" for frame in range(FRAMES)]
    for folder in ("images", "masks", "torso"):
        assert sorted(path.name for path in (layout.root / folder).iterdir()) == wanted


def test_masks_agree_with_the_truth(capture: Capture) -> None:
    worst = {masks.HEAD: 1.0, masks.TORSO: 1.0}
    for frame in range(0, FRAMES, 6):
        truth, found = capture.truth.frame(frame).labels, read_png(capture.layout.mask(frame))
        for label in worst:
            both, either = (truth == label) & (found == label), (truth == label) | (found == label)
            worst[label] = min(worst[label], both.sum() / either.sum())
    assert worst[masks.HEAD] > 0.95
    assert worst[masks.TORSO] > 0.95


def test_body_motion_is_within_a_pixel(capture: Capture, contents: dict) -> None:
    reference = contents["body_reference"]
    truth = capture.truth.body_from(reference)
    found = np.array([frame["body"] for frame in contents["frames"]])
    rows, columns = np.nonzero(capture.truth.frame(reference).labels == masks.TORSO)
    corners = [(x, y, 1) for x in (columns.min(), columns.max() + 1) for y in (rows.min(), rows.max() + 1)]
    away = np.linalg.norm((found - truth) @ np.array(corners, float).T, axis=1)
    still = np.linalg.norm((truth - np.eye(3)[:2]) @ np.array(corners, float).T, axis=1)
    assert away.mean() < SIZE / 256  # a pixel at 256
    assert away.mean() < 0.5 * still.mean()
    assert np.abs(found[reference] - np.eye(3)[:2]).max() < 0.5


def test_background_is_the_scene_where_it_was_seen(capture: Capture) -> None:
    found = read_png(capture.layout.background).astype(float)
    always = np.ones((SIZE, SIZE), bool)
    for frame in range(0, FRAMES, 6):
        person = (capture.truth.frame(frame).labels > 0).astype(np.uint8)
        always &= cv2.dilate(person, np.ones((15, 15), np.uint8)) == 0
    assert always.mean() > 0.25
    assert np.abs(found - capture.truth.background)[always].mean() < 3
    report = json.loads(capture.layout.report.read_text())
    assert 0.3 < report["background_never_seen"] < 0.75


def test_torso_layer_over_background_is_the_picture_below_the_collar(capture: Capture) -> None:
    scene = read_png(capture.layout.background).astype(float)
    for frame in (5, 30):
        layer = read_png(capture.layout.torso(frame))
        share = layer[..., 3:] / 255
        mixed = layer[..., :3] * share + scene * (1 - share)
        torso = capture.truth.frame(frame).labels == masks.TORSO
        picture = read_png(capture.layout.image(frame))
        assert np.abs(mixed - picture)[torso].mean() < 2
        # Behind the neck it is painted in, behind the forehead it is not, and nothing shows beside the head.
        neck = capture.truth.points2d[frame, 8] + [0, 0.06 * SIZE]
        assert layer[round(neck[1]), round(neck[0]), 3] > 250
        assert layer[: round(capture.truth.points2d[frame, 27, 1]), :, 3].max() == 0
        outside = capture.truth.frame(frame).labels == masks.BACKGROUND
        assert (layer[..., 3] / 255)[outside].mean() < 0.02


def test_hidden_torso_does_not_flicker(capture: Capture) -> None:
    layers = [read_png(capture.layout.torso(frame)).astype(float) for frame in range(10, 20)]
    neck = np.round(capture.truth.points2d[10:20, 8].mean(axis=0) + np.array([0, 0.06 * SIZE])).astype(int)
    patch = np.stack([layer[neck[1] - 3 : neck[1] + 3, neck[0] - 5 : neck[0] + 5, :3] for layer in layers])
    assert np.abs(np.diff(patch, axis=0)).mean() < 1.5


def test_every_frame_is_found_again_in_the_video(capture: Capture) -> None:
    loaded = load_capture(capture.layout.root)
    assert loaded.origin is not None
    report = json.loads(capture.layout.report.read_text())
    assert [loaded.origin.width, loaded.origin.height] == report["source_size"]
    crop = Crop(**report["crop"])
    assert loaded.origin.crop == (crop.x, crop.y, crop.width, crop.height)
    check_original(capture.config.video, loaded)
    frames = list(original_frames(capture.config.video, loaded))
    assert len(frames) == FRAMES
    for frame in (0, 31, 59):
        np.testing.assert_array_equal(crop.apply(frames[frame]), read_png(capture.layout.image(frame)))


def test_transforms_follow_the_conventions(capture: Capture, contents: dict) -> None:
    assert contents["schema_version"] == 1
    assert (contents["person"], contents["fps"], contents["w"], contents["h"]) == ("Anna", FPS, SIZE, SIZE)
    frames = contents["frames"]
    assert [frame["split"] for frame in frames] == ["train"] * (FRAMES - TEST_FRAMES) + ["test"] * TEST_FRAMES
    assert contents["test_filenames"] == [frame["file_path"] for frame in frames[-TEST_FRAMES:]]
    assert len(contents["train_filenames"]) == FRAMES - TEST_FRAMES
    assert [frame["time"] for frame in frames] == pytest.approx(np.arange(FRAMES) / FPS)
    assert all(frame["valid"] for frame in frames)
    for i in (0, 20, 59):
        points = capture.truth.points2d[i]
        x0, y0, x1, y1 = frames[i]["face_box"]
        lips = frames[i]["lips_box"]
        assert (points >= [x0 - 3, y0 - 3]).all()
        assert (points <= [x1 + 3, y1 + 3]).all()
        assert x0 < lips[0] < lips[2] < x1
        assert y0 < lips[1] < lips[3] < y1
    low, high = np.array(contents["head_box"])
    assert (low < high).all()
    assert np.abs(contents["head_box"]).max() <= 1.2


def test_head_box_holds_the_head(capture: Capture, contents: dict) -> None:
    low, high = np.array(contents["head_box"])
    for i in (0, 24, 59):
        c2w = np.array(contents["frames"][i]["transform_matrix"])
        rows, columns = np.nonzero(read_png(capture.layout.mask(i)) == masks.HEAD)
        rays = np.stack(
            [
                (columns + 0.5 - contents["cx"]) / contents["fl_x"],
                -(rows + 0.5 - contents["cy"]) / contents["fl_y"],
                -np.ones(len(rows)),
            ],
            axis=1,
        )
        rays = rays @ c2w[:3, :3].T
        with np.errstate(divide="ignore"):
            near, far = (low - c2w[:3, 3]) / rays, (high - c2w[:3, 3]) / rays
        enters, leaves = np.minimum(near, far).max(axis=1), np.maximum(near, far).min(axis=1)
        assert (leaves > enters).mean() > 0.995


def test_landmarks_sound_and_report(capture: Capture) -> None:
    sequence = LandmarkSequence.load(capture.layout.landmarks)
    assert (len(sequence), sequence.fps, sequence.person) == (FRAMES, FPS, "Anna")
    assert sequence.identity == identity_of(sequence.landmarks, sequence.eye_openness)
    assert sequence.sound is not None
    assert sequence.sound.file == "audio.wav"
    with wave.open(str(capture.layout.audio)) as file:
        assert (file.getsampwidth(), file.getnchannels()) == (2, 1)
        assert file.getnframes() == round(FRAMES / FPS * file.getframerate())
    report = json.loads(capture.layout.report.read_text())
    assert report["valid_fraction"] == 1
    assert report["body_lost_fraction"] == 0
    width = np.linalg.norm(np.diff(capture.truth.points2d[:, [0, 16]], axis=1), axis=-1).mean()
    assert report["face_width_px"] == pytest.approx(width, rel=0.08)
    assert any("3 s of speech" in line for line in report["advice"])
    picture = cv2.imread(str(capture.layout.report_picture))
    assert picture is not None
    assert min(picture.shape[:2]) > 800
    assert picture.std() > 20


def test_nerfstudios_own_dataparser_reads_it(capture: Capture, contents: dict) -> None:
    from nerfstudio.data.dataparsers.nerfstudio_dataparser import NerfstudioDataParserConfig

    parser = NerfstudioDataParserConfig(data=capture.layout.root, downscale_factor=1).setup()
    train, test = parser.get_dataparser_outputs("train"), parser.get_dataparser_outputs("test")
    assert len(train.image_filenames) == FRAMES - TEST_FRAMES
    assert [path.name for path in test.image_filenames] == [f"{i:05d}.png" for i in range(FRAMES - TEST_FRAMES, FRAMES)]
    assert float(train.cameras.fx[0]) == pytest.approx(contents["fl_x"])


def test_a_finished_capture_is_left_alone(capture: Capture) -> None:
    before = capture.layout.transforms.stat().st_mtime_ns
    output = io.StringIO()
    process(capture.config, Console(file=output))
    assert "nothing to do" in output.getvalue()
    assert capture.layout.transforms.stat().st_mtime_ns == before


def test_other_options_in_the_same_place_are_refused(capture: Capture) -> None:
    other = CaptureOptions(capture.config.video, capture.config.output, person="Anna", size=128)
    with pytest.raises(InputError, match="--overwrite"):
        process(other, Console(file=io.StringIO()))
    assert Layout(other.output).transforms.exists()


def test_two_at_once_are_refused(capture: Capture) -> None:
    before = capture.layout.transforms.stat().st_mtime_ns
    with held_alone(capture.layout.root, "geneface process"):
        with pytest.raises(InputError, match="another geneface process is writing there"):
            process(capture.config, Console(file=io.StringIO()))
        assert capture.layout.transforms.stat().st_mtime_ns == before


def test_killed_in_the_last_moment_it_is_tidied_up(capture: Capture) -> None:
    layout = capture.layout
    layout.transforms.rename(layout.pending)  # before it appears, when all else is done
    (layout.work / "matte").mkdir()
    (layout.work / "matte" / "00000.png").touch()
    process(capture.config, Console(file=io.StringIO()))
    assert layout.transforms.exists()
    assert [path.name for path in layout.work.iterdir()] == ["state.json"]


def test_killed_before_anything_was_known(capture: Capture, tmp_path: Path) -> None:
    # Less would be "an unfinished capture of an unknown video", and nobody would go on with it.
    config = replace(capture.config, output=tmp_path / "new")
    work = Layout(config.output).work
    work.mkdir(parents=True)
    (work / ".state-abcdefgh.json").touch()
    assert open_state(config, Layout(config.output)).stages == {}
