"""What is prepared of frames once, and the rays that are drawn from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from audio_motion.errors import InputError
from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.nerf.draws import HeadDrawConfig, draw, ray_source, whole_pixels
from geneface_ns.scene import prepared as prepared_module
from geneface_ns.scene.draws import RAREST, RaySource, even_weights, landmark_pixels
from geneface_ns.scene.frames import Frame, FrameStore
from geneface_ns.scene.prepared import COVER, NECK, SOLID_HEAD, pack, prepare, unpack_head
from geneface_ns.synthetic.exact_capture import write_exact_capture

FRAMES = 11


class Drawn(NamedTuple):
    capture: Capture
    source: RaySource


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    folder = tmp_path_factory.mktemp("draws") / "capture"
    write_exact_capture(folder, size=96, frames=FRAMES)
    capture = load_capture(folder)
    return Drawn(capture, ray_source(capture, prepare(capture, 1, 0.03), 1))


def person() -> Frame:
    """Head (grey 200) above a torso (grey 50) before a wall (grey 100), 64 pixels square; behind the head grey 10."""
    image = np.full((64, 64, 3), 100, np.uint8)
    head = np.zeros((64, 64), np.uint8)
    head[10:40, 20:44] = 255
    image[head > 0] = 200
    underlay = np.dstack([image, np.zeros((64, 64), np.uint8)])
    underlay[head > 0, :3] = 10
    image[40:, 10:54] = 50
    underlay[40:, 10:54] = (50, 50, 50, 255)
    return Frame(image, underlay, head)


def test_kinds_of_pixels():
    packed, starts, lengths = pack(person(), neck_reach=3 / 64)
    part, kind = (x.reshape(64, 64) for x in unpack_head(torch.from_numpy(packed[:, 7])))
    assert part[20, 30] == 1
    assert part[5, 30] == 0
    assert kind[20, 30] == SOLID_HEAD
    assert kind[10, 30] != SOLID_HEAD  # on the outline
    assert kind[41, 30] == NECK
    assert kind[60, 30] == COVER
    packed = packed.reshape(64, 64, 8)
    assert (packed[41, 30, :3] == 50).all()
    assert (packed[41, 30, 3:6] == 200).all()  # the head's colour, continued
    # Runs hold each pixel in and around the head once: two pixels around it at this size.
    inside = np.concatenate([np.arange(a, a + n) for a, n in zip(starts, lengths, strict=True)])
    y, x = np.divmod(inside, 64)
    assert len(inside) == len(set(inside)) == 34 * 28
    assert ((y >= 8) & (y < 42) & (x >= 18) & (x < 46)).all()


def test_a_frame_without_a_head_is_drawn_from_all_over():
    frame = person()
    frame.head[:] = 0
    _, starts, lengths = pack(frame, 0.03)
    assert starts.tolist() == [0]
    assert lengths.tolist() == [64 * 64]


def test_prepared_once_and_again_when_the_capture_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_exact_capture(tmp_path / "capture", frames=4)
    capture = load_capture(tmp_path / "capture")
    made: list[int] = []
    first = prepare(capture, 1, 0.03, lambda: made.append(1))
    again = prepare(capture, 1, 0.03, lambda: made.append(1))
    assert len(made) == 4
    assert torch.equal(first.pixels, again.pixels)
    prepare(capture, 2, 0.03, lambda: made.append(1))  # another size lies beside it
    assert len(made) == 8
    description = tmp_path / "capture" / "transforms.json"
    data = json.loads(description.read_text())
    data["person"] = "somebody else"
    description.write_text(json.dumps(data))
    prepare(load_capture(tmp_path / "capture"), 1, 0.03, lambda: made.append(1))
    assert len(made) == 12
    monkeypatch.setattr(prepared_module.shutil, "disk_usage", lambda path: type("Disk", (), {"free": 1000}))
    with pytest.raises(InputError, match="downscale-factor"):
        prepare(capture, 4, 0.03)


def test_an_interrupted_preparation_is_made_again(tmp_path: Path):
    write_exact_capture(tmp_path / "capture", frames=4)
    capture = load_capture(tmp_path / "capture")
    whole = prepare(capture, 1, 0.03).pixels.clone()

    def stop() -> None:
        raise KeyboardInterrupt

    (tmp_path / "capture/.frames/64x64/about.json").unlink()
    with pytest.raises(KeyboardInterrupt):
        prepare(capture, 1, 0.03, stop)
    assert torch.equal(prepare(capture, 1, 0.03).pixels, whole)


def test_a_capture_that_cannot_be_written_to(tmp_path: Path):
    write_exact_capture(tmp_path / "capture", frames=4)
    capture = load_capture(tmp_path / "capture")
    (tmp_path / "capture" / ".frames").write_text("in the way of the folder")
    there = prepare(capture, 1, 0.03)
    assert np.array_equal(there.pixels[2, :, :3].reshape(64, 64, 3), FrameStore(capture).frame(2).image)


def test_torso_rays_are_the_pictures(drawn: Drawn):
    capture, source = drawn
    rays, truth = draw(source, torch.arange(FRAMES), 7, False, HeadDrawConfig(train_num_rays_per_batch=4000))
    store = FrameStore(capture)
    frame = (rays.times * (FRAMES - 1)).round().long()
    place = ((rays.pixel + 1) * 48).long()
    assert len(set(frame.tolist())) > 1
    for index in set(frame.tolist()):
        own, (x, y) = frame == index, place[frame == index].T
        whole = store.frame(index)
        torch.testing.assert_close(truth.image[own], torch.from_numpy(whole.image)[y, x] / 255)
        torch.testing.assert_close(truth.underlay[own], torch.from_numpy(whole.underlay)[y, x] / 255)
    assert (truth.trust == 1).all()


def test_head_rays_lie_around_head_lips_and_eyes_and_look_through_their_pixels(drawn: Drawn):
    capture, source = drawn
    config = HeadDrawConfig(train_num_rays_per_batch=4000, frames_per_batch=4, random_underlay=0)
    rays, truth = draw(source, torch.arange(FRAMES), 3, True, config)
    pixel = (rays.pixel + 1) * 48
    frame = (rays.times * (FRAMES - 1)).round().long()
    each = 1000
    boxes = source.boxes[frame[::each]]
    for n in range(4):
        for part, (begin, end) in enumerate(((0, 250), (250, 300), (300, 350))):  # lips, one eye, the other
            drawn_there = pixel[n * each + begin : n * each + end]
            assert (drawn_there >= boxes[n, part, :2]).all()
            assert (drawn_there <= boxes[n, part, 2:]).all()
    places = landmark_pixels(capture, 1)
    for part, points in ((1, slice(36, 42)), (2, slice(42, 48))):
        assert (places[:, points] >= source.boxes[:, None, part, :2].numpy()).all()
        assert (places[:, points] <= source.boxes[:, None, part, 2:].numpy()).all()
    # Each ray, taken back to its own camera, hits the middle of its pixel.
    c2w = torch.from_numpy(capture.c2w)[frame]
    local = (rays.directions[:, None, :] @ c2w[:, :3, :3])[:, 0]
    x = local[:, 0] / -local[:, 2] * capture.focal[0] + capture.centre[0]
    y = -local[:, 1] / -local[:, 2] * capture.focal[1] + capture.centre[1]
    torch.testing.assert_close(torch.stack([x, y], dim=1), pixel, atol=2e-3, rtol=0)
    is_neck = truth.trust[:, 0] < 1
    assert is_neck.any()
    assert (truth.head[is_neck] == 1).all()
    assert (truth.underlay[is_neck, 3] == 0).all()
    # The head is nowhere under the collar beyond the neck: what is hidden there would be seen in an alpha channel.
    cover = (truth.underlay[:, 3] == 1) & ~is_neck
    assert cover.any()
    assert (truth.shown[cover] == 1).all()
    assert (truth.head[cover] == 0).all()


def test_some_head_rays_lie_anywhere(drawn: Drawn):
    """Else nothing clears dots that float beyond the reach of the rays around the head."""
    _, source = drawn
    begin, end = source.prepared.frame_from[:2]
    run = slice(int(torch.searchsorted(source.prepared.run_from, begin)), int((source.prepared.run_from < end).sum()))
    lengths = torch.diff(torch.cat([source.prepared.run_from[run], end[None]]))
    near = torch.zeros(96 * 96, dtype=torch.bool)
    for first, length in zip(source.prepared.run_start[run].tolist(), lengths.tolist(), strict=True):
        near[first : first + length] = True
    lips = source.boxes[0, 0]
    near.view(96, 96)[lips[1] : lips[3], lips[0] : lips[2]] = True
    for share in (0.0, 0.2):
        config = HeadDrawConfig(train_num_rays_per_batch=8000, picture_share=share)
        rays, truth = draw(source, torch.tensor([0]), 3, True, config)
        x, y = ((rays.pixel + 1) * 48).long().T
        far = ~near[y * 96 + x]
        expected = share * float((~near).float().mean())
        assert far.float().mean() == pytest.approx(expected, abs=0.2 * expected)
        assert (truth.head[far] == 0).all()


def test_the_middle_of_the_head_lies_over_random_colours(drawn: Drawn):
    _, source = drawn
    plain, shaded = (
        draw(source, torch.arange(FRAMES), 3, True, HeadDrawConfig(random_underlay=part))[1] for part in (0.0, 1.0)
    )
    changed = (plain.underlay != shaded.underlay).any(dim=1)
    assert 0.2 < changed.float().mean() < 0.95
    assert (plain.head[changed] == 1).all()
    torch.testing.assert_close(plain.image, shaded.image)


def test_rays_follow_from_step_and_process(drawn: Drawn):
    _, source = drawn
    frames = torch.arange(FRAMES)
    first, again = (draw(source, frames, 5, True, HeadDrawConfig()) for _ in range(2))
    for a, b in zip((*first[0], *first[1]), (*again[0], *again[1]), strict=True):
        assert torch.equal(a, b)
    for step, rank in ((6, 0), (5, 1)):
        other = draw(source, frames, step, True, HeadDrawConfig(), rank)
        assert not torch.equal(first[0].pixel, other[0].pixel)


@pytest.mark.parametrize("head_stage", [True, False])
def test_rays_keep_their_precision_under_autocast(drawn: Drawn, head_stage: bool):
    _, source = drawn
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rays, _ = draw(source, torch.arange(FRAMES), 5, head_stage, HeadDrawConfig())
    assert all(x.dtype == torch.float32 for x in rays)


def test_states_of_eyes_and_mouth_are_drawn_evenly(drawn: Drawn):
    """A blink lasts three frames of a hundred."""
    rng = np.random.default_rng(0)
    eyes = np.concatenate([np.full(970, 0.3), np.full(15, 0.15), np.full(15, 0.0)]) + rng.uniform(-0.01, 0.01, 1000)
    weights = even_weights(np.stack([eyes, rng.uniform(0, 1, 1000)], axis=1))
    shut, mouth = weights[985:, 0], weights[:, 1]
    assert (shut == RAREST).all()  # or they would be a third of all
    assert weights[:970, 0].sum() > shut.sum() > 0.1 * weights[:970, 0].sum()
    assert mouth.max() < 1.5
    # Frames are drawn so, as far as they are to be.
    _, source = drawn
    one = source._replace(evenness=torch.zeros(FRAMES).index_fill(0, torch.tensor([4]), 1.0))
    for share in (0.0, 0.5, 1.0):
        config = HeadDrawConfig(train_num_rays_per_batch=400, frames_per_batch=40, even_share=share)
        times = draw(one, torch.arange(1, FRAMES), 3, True, config)[0].times[::10]
        expected = share + (1 - share) / (FRAMES - 1)
        assert (times == source.times[4]).float().mean() == pytest.approx(expected, abs=0.2)
    assert even_weights(np.zeros((5, 2))).tolist() == [[1, 1]] * 5  # eyes that were never seen to move


def test_lips_beyond_the_picture_still_give_pixels():
    boxes = np.array([[28, 32, 34, 36.0], [-9, -9, -5, -5.0], [99, 99, 120, 120.0]])
    assert whole_pixels(boxes, (64, 64), 0.15).tolist() == [[27, 31, 35, 37], [0, 0, 1, 1], [63, 63, 64, 64]]
