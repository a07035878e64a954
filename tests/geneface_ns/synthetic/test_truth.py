"""The truth about a clip against what is drawn."""

import numpy as np
import pytest

from audio_motion.errors import InputError
from audio_motion.topology import INNER_LIPS, TEMPLATE, eye_openness, face_width, fit_similarity, mouth_opening
from geneface_ns.synthetic import Identity, Style, Truth, make_truth, speech_track
from geneface_ns.synthetic.expression import Expression
from geneface_ns.synthetic.head import Head
from geneface_ns.synthetic.motion import BILABIALS, motion
from geneface_ns.synthetic.scene import Camera, Renderer, body_affine, head_to_world

FPS = 25.0


@pytest.fixture(scope="module")
def said():
    return speech_track(["train_02"], seed=1)


@pytest.fixture(scope="module")
def truth(said):
    return make_truth(2, said, (256, 256), FPS, round(said.duration * FPS))


def test_frame_of_the_person_is_the_templates(truth):
    scale, rotation, offset = fit_similarity(truth.landmarks.mean(0), TEMPLATE)
    assert scale == pytest.approx(1, abs=1e-5)
    assert np.allclose(rotation, np.eye(3), atol=1e-5)
    assert np.allclose(offset, 0, atol=1e-5)
    assert np.allclose(truth.c2w[:, :3, :3] @ truth.c2w[:, :3, :3].transpose(0, 2, 1), np.eye(3), atol=1e-9)


def test_projected_landmarks_lie_on_the_drawn_vertices(truth):
    """Two ways to the image: the truth's head frame and camera, and the renderer's world."""
    head, camera = truth.renderer.head, truth.renderer.camera
    names = list(Expression.__dataclass_fields__)
    for index in (0, 40, 80):
        e = Expression(**dict(zip(names, truth._expression[index].tolist(), strict=True)))
        world = head.vertices(e)[:68] @ truth._pose[index, :3, :3].T + truth._pose[index, :3, 3]
        drawn, _ = camera.project(world)
        assert np.abs(drawn - truth.points2d[index]).max() < 0.01


def test_drawn_features_are_where_the_landmarks_say(truth):
    """Inside the projected inner lips the picture shows something else than the shut mouth; the shirt stays."""
    from matplotlib.path import Path as Polygon

    opening = mouth_opening(truth.landmarks)
    wide = int(opening.argmax())
    rows, columns = np.mgrid[:256, :256]
    centres = np.stack([columns + 0.5, rows + 0.5], -1).reshape(-1, 2)
    inside = Polygon(truth.points2d[wide][INNER_LIPS]).contains_points(centres, radius=-0.5).reshape(256, 256)
    assert inside.sum() > 15
    frame, shut = truth.frame(wide), truth.renderer.render(Expression.rest(), truth._pose[wide], truth._rest_body[wide])
    changed = np.abs(frame.rgb.astype(float) - shut.rgb).mean(-1)
    assert changed[inside].mean() > 25
    for label in (0, 2):  # wall and shirt do not move with the mouth
        assert changed[(frame.labels == label) & (shut.labels == label)].mean() < 0.01


def test_a_painted_landmark_is_seen_at_its_projection():
    """Colour the texture at single landmarks; the colour's centroid in the picture is the projected vertex."""
    from geneface_ns.synthetic.paint import skin_uv
    from geneface_ns.synthetic.surface import chart

    camera = Camera(512, 512)
    renderer = Renderer(Identity.from_seed(5), camera)
    pose, body = head_to_world(np.array([0.12, -0.05, 0.04]), np.zeros(3)), body_affine(camera, 0, 1, np.zeros(2))
    e = Expression.rest(jaw=0.5, close=0.0)
    before = renderer.render(e, pose, body).rgb.astype(float)
    for point in (8, 30, 33, 5, 19, 57):  # chin, tip and base of the nose, jaw, brow, lower lip
        column, row = skin_uv(chart(TEMPLATE[point].astype(float))[None])[0]
        clean = renderer._colours.clone()
        r, c = round(row), round(column)
        renderer._colours[0, :, r - 6 : r + 6, c - 6 : c + 6] = 0
        changed = np.abs(renderer.render(e, pose, body).rgb.astype(float) - before).sum(-1)
        renderer._colours.copy_(clean)
        rows, columns = np.nonzero(changed > 0)
        weight = changed[rows, columns]
        seen = np.array([(columns + 0.5) @ weight, (rows + 0.5) @ weight]) / weight.sum()
        world = renderer.head.landmarks(e)[point] @ pose[:3, :3].T + pose[:3, 3]
        expected = camera.project(world[None])[0][0]
        assert np.linalg.norm(seen - expected) < 2.0, point


def test_lips_meet_exactly_at_every_bilabial(said, truth):
    opening = mouth_opening(truth.landmarks)
    phones = [p for p in said.phones if p[0] in BILABIALS]
    assert len(phones) >= 5
    for _, start, end in phones:
        frame = round((start + end) / 2 * FPS)
        assert opening[frame] < 1e-6
    vowels = [p for p in said.phones if p[0] in ("aa", "ae", "eh", "ah", "ay") and p[2] - p[1] > 0.06]
    assert np.mean([opening[round((a + b) / 2 * FPS)] for _, a, b in vowels]) > 0.03
    assert opening[0] < 1e-6  # silence


def test_shut_eyes_are_shut_exactly():
    head = Head(Identity.from_seed(3))
    left = eye_openness(head.landmarks(Expression.rest(blink_left=1.0)))
    assert left[0] < 1e-6
    assert left[1] == pytest.approx(eye_openness(head.landmarks(Expression.rest()))[1])
    assert 0.18 < left[1] < 0.40


def test_jaw_opens_the_mouth_and_the_lips_meet_whatever_the_jaw_does():
    head = Head(Identity.from_seed(4))
    openings = [mouth_opening(head.landmarks(Expression.rest(close=0.0, jaw=j))) for j in (0.0, 0.5, 1.0)]
    assert openings[0] < openings[1] < openings[2]
    width = face_width(head.landmarks(Expression.rest()))
    assert 0.10 < openings[2] / width < 0.25
    assert mouth_opening(head.landmarks(Expression.rest(close=1.0, jaw=0.7, round=0.5, upper=0.3))) < 1e-9


def test_body_affine_warps_one_frames_torso_onto_anothers(truth):
    """PSNR above 36 dB inside the shirt; without the affine it is far lower."""
    from scipy.ndimage import binary_erosion, map_coordinates

    moved = np.abs(truth.body[:, :, 2]).sum(1)
    index = int(moved.argmax())
    reference, target = truth.torso(0), truth.torso(index)
    inverse = np.linalg.inv(np.vstack([truth.body[index], [0, 0, 1]]))
    rows, columns = np.mgrid[:256, :256] + 0.5
    source = inverse[:2] @ np.stack([columns.ravel(), rows.ravel(), np.ones(columns.size)])

    def psnr(warped):
        inside = binary_erosion(target[..., 3] > 0.99, iterations=4) & (source[1].reshape(256, 256) < 254)
        return -10 * np.log10(((warped - target[..., :3])[inside] ** 2).mean())

    warped = np.stack(
        [map_coordinates(reference[..., k], source[::-1] - 0.5, order=3).reshape(256, 256) for k in range(3)], -1
    )
    assert moved[index] > 1.5
    assert psnr(warped) > 36
    assert psnr(warped) > psnr(reference[..., :3]) + 8


def test_body_from_another_frame(truth):
    moved = truth.body_from(10)
    assert np.allclose(moved[10], np.eye(3)[:2], atol=1e-12)
    point = np.array([100.0, 230.0, 1.0])
    assert np.allclose(moved[30] @ np.append(truth.body[10] @ point, 1), truth.body[30] @ point)


def test_labels_say_what_is_drawn(truth):
    frame = truth.frame(20)
    assert set(np.unique(frame.labels)) == {0, 1, 2}
    wall = frame.labels == 0
    difference = np.abs(frame.rgb.astype(int) - truth.background).max(-1)
    assert np.mean(difference[wall] == 0) > 0.97  # the rest are pixels that the outline cuts
    assert np.mean(difference[~wall] > 0) > 0.99
    torso = truth.torso(20)
    assert np.abs(frame.rgb - 255 * torso[..., :3])[(frame.labels == 2) & (torso[..., 3] == 1)].mean() < 1.0
    inner = truth.points2d[20][27:36].astype(int)
    assert (frame.labels[inner[:, 1], inner[:, 0]] == 1).all()
    assert (frame.labels[-1] == 2).mean() > 0.8
    columns = np.nonzero((frame.labels == 1).any(0))[0]
    assert 0.42 < np.ptp(columns) / 256 < 0.58


def test_movement_stays_in_range_and_moves():
    for seed in range(6):
        moves = motion((("pau", 0.0, 30.0),), Style.from_seed(seed), 750, FPS)
        degrees = np.rad2deg(np.abs(moves.angles)).max(0)
        assert (degrees <= [12, 8, 5]).all()
        assert (degrees >= [3, 2, 1]).all()
        blinks = moves.expression.blink_left > 0.9
        assert 3 <= np.diff(blinks.astype(int), prepend=0).clip(0).sum() <= 16


def test_motion_does_not_depend_on_the_frame_rate(said):
    slow, fast = (make_truth(2, said, (64, 64), fps, round(2 * fps)) for fps in (25.0, 50.0))
    assert np.allclose(slow.c2w, fast.c2w[::2], atol=2e-3)
    assert np.allclose(slow.body[:, :, :2], fast.body[::2][:, :, :2], atol=1e-9)


def test_the_seed_decides(said):
    first, again, other = (make_truth(seed, said, (64, 48), FPS, 5) for seed in (7, 7, 8))
    assert np.array_equal(first.landmarks, again.landmarks)
    assert np.array_equal(first.frame(4).rgb, again.frame(4).rgb)
    assert np.abs(first.frame(4).rgb.astype(int) - other.frame(4).rgb).mean() > 5
    assert Identity.from_seed(7) != Identity.from_seed(8)


def test_a_face_that_was_never_filmed(truth):
    same = truth.with_face(3, 3)
    assert np.array_equal(same.frame(0).rgb, truth.frame(3).rgb)
    np.testing.assert_allclose(same.landmarks[0], truth.landmarks[3], atol=1e-6)
    winks = truth.with_face(0, 3, blink_left=1.0, blink_right=0.0)
    assert winks.eye_openness[0, 0] < 0.01 < 0.1 < winks.eye_openness[0, 1]
    np.testing.assert_allclose(winks.landmarks[0, 48:], truth.landmarks[3, 48:], atol=1e-6)
    assert np.array_equal(winks.c2w[0], truth.c2w[0])


def test_saving_and_loading(tmp_path, truth):
    path = tmp_path / "clip.truth.npz"
    truth.save(path)
    again = Truth.load(path)
    assert np.array_equal(again.landmarks, truth.landmarks)
    assert again.phones == truth.phones
    assert again.fl == truth.fl
    assert np.array_equal(again.frame(3).labels, truth.frame(3).labels)
    with pytest.raises(InputError, match="no such file"):
        Truth.load(tmp_path / "none.npz")


def test_sequence_is_the_exchange_format(truth):
    sequence = truth.sequence()
    assert sequence.producer.kind == "avatar"
    assert len(sequence) == len(truth)
    assert sequence.valid.all()
