"""Motion of points by landmarks, and the codes made from them."""

import pytest
import torch

from audio_motion.topology import TEMPLATE
from geneface_ns.scene.codes import ConditionEncoder, principal_components
from geneface_ns.scene.warp import LandmarkWarp

MEAN = torch.from_numpy(TEMPLATE)


def test_still_landmarks_move_nothing():
    warp = LandmarkWarp(MEAN, sigma=0.1, resolution=16)
    points = torch.rand(50, 3) - 0.5
    moved, _ = warp.look_up(warp.volumes(MEAN[None]), points, torch.zeros(50, dtype=torch.long))
    torch.testing.assert_close(moved, points)


def test_moved_lower_lip_is_brought_back():
    # Jaw and lower lip drop by 0.06: a point on the dropped lower lip must come from near the resting lower lip.
    lower = [*range(4, 13), *range(55, 60), 65, 66, 67]
    landmarks = MEAN.clone()
    landmarks[lower, 1] -= 0.06
    warp = LandmarkWarp(MEAN, sigma=0.1, resolution=40)
    chin = landmarks[8:9]
    moved, gates = warp.look_up(warp.volumes(landmarks[None]), chin, torch.zeros(1, dtype=torch.long))
    assert (moved - MEAN[8]).norm() < 0.015
    assert gates.shape == (1, 2)
    # The forehead, far above, stays.
    forehead = torch.tensor([[0.0, 0.75, 0.3]])
    moved, _ = warp.look_up(warp.volumes(landmarks[None]), forehead, torch.zeros(1, dtype=torch.long))
    assert (moved - forehead).norm() < 2e-3


def test_backward_motion_inverts_the_forward_blend():
    torch.manual_seed(0)
    landmarks = MEAN + 0.02 * torch.randn(68, 3)
    warp = LandmarkWarp(MEAN, sigma=0.1, resolution=48, iterations=5)
    x = warp.volumes(landmarks[None])[0, :3].permute(1, 2, 3, 0).reshape(-1, 3) + warp.nodes
    inside = ((warp.nodes - MEAN.mean(0)).abs() < 0.35).all(dim=1)
    closeness = torch.exp(-torch.cdist(x, MEAN).square() / (2 * 0.1**2))
    forward = closeness @ (landmarks - MEAN) / (closeness.sum(dim=1, keepdim=True) + 0.1)
    error = (x + forward - warp.nodes).norm(dim=1)[inside]
    assert error.max() < 2e-3


def test_a_loaded_mean_face_brings_all_that_follows_from_it():
    trained = LandmarkWarp(MEAN * 1.3 + 0.1, sigma=0.1, resolution=12)
    other = LandmarkWarp(MEAN, sigma=0.1, resolution=12)
    other.load_state_dict(trained.state_dict())
    for name, value in trained.named_buffers():
        torch.testing.assert_close(dict(other.named_buffers())[name], value, rtol=0, atol=0)


def test_gates_tell_mouth_from_eyes():
    warp = LandmarkWarp(MEAN, sigma=0.1, resolution=40)
    points = torch.stack([MEAN[48:].mean(0), MEAN[36:42].mean(0), torch.tensor([0.0, 0.8, 0.2])])
    _, gates = warp.look_up(warp.volumes(MEAN[None]), points, torch.zeros(3, dtype=torch.long))
    assert gates[0, 0] > 0.9
    assert gates[1, 1] > 0.9
    assert gates[0, 1] < 0.1
    assert gates[2].max() < 0.1


def test_principal_components_whiten():
    torch.manual_seed(0)
    rows = torch.randn(2000, 3) * torch.tensor([5.0, 1.0, 0.01])
    basis, scale = principal_components(rows - rows.mean(0), 3)
    white = (rows - rows.mean(0)) @ basis / scale
    torch.testing.assert_close(white[:, :2].std(dim=0), torch.ones(2), atol=0.01, rtol=0)
    # The third is noise, under 5 % of the first: it is not blown up to unit deviation.
    assert white[:, 2].std() < 0.1


def test_codes_see_their_own_region_only():
    torch.manual_seed(0)
    landmarks = MEAN + 0.01 * torch.randn(100, 68, 3)
    eyes = 0.3 + 0.02 * torch.randn(100, 2)
    encoder = ConditionEncoder(landmarks, eyes)
    base = encoder(landmarks[:1], eyes[:1])
    spoken = landmarks[:1].clone()
    spoken[:, 48:] += 0.05
    lower, upper = encoder(spoken, eyes[:1])
    assert (lower - base[0]).abs().max() > 0.5
    torch.testing.assert_close(upper, base[1])
    _, blinked = encoder(landmarks[:1], eyes[:1] - 0.03)
    assert (blinked - base[1]).abs().max() > 1


@pytest.mark.parametrize("whitening", [1.0, 0.3, 0.0])
def test_a_mouths_code_is_whitened_as_far_as_asked(whitening: float):
    torch.manual_seed(0)
    # Along three directions, so that what each varies by is known.
    spread = torch.tensor([4e-2, 2e-2, 1e-2])
    landmarks = MEAN.repeat(4000, 1, 1)
    landmarks[:, 50, 1] += spread[0] * torch.randn(4000)
    landmarks[:, 57, 1] += spread[1] * torch.randn(4000)
    landmarks[:, 66, 1] += spread[2] * torch.randn(4000)
    encoder = ConditionEncoder(landmarks, torch.rand(4000, 2), lower=3, whitening=whitening)
    lower, _ = encoder._codes(landmarks, torch.rand(4000, 2))
    found = lower.std(dim=0)
    torch.testing.assert_close(found / found[0], (spread / spread[0]) ** (1 - whitening), rtol=0.05, atol=0)
    torch.testing.assert_close(found.square().mean(), torch.tensor(1.0), rtol=0.01, atol=0)


def test_codes_stay_within_what_was_seen():
    torch.manual_seed(0)
    landmarks = MEAN + 0.01 * torch.randn(100, 68, 3)
    eyes = 0.3 + 0.02 * torch.randn(100, 2)
    encoder = ConditionEncoder(landmarks, eyes)
    seen = torch.cat(encoder(landmarks, eyes), dim=1)
    beyond = torch.cat(encoder(MEAN + 0.5 * torch.randn(50, 68, 3), torch.rand(50, 2)), dim=1)
    assert (beyond >= seen.amin(dim=0)).all()
    assert (beyond <= seen.amax(dim=0)).all()
    # What was seen is not touched: shut eyes are the least open ones, to the last frame.
    assert seen[:, -2:].argmin(dim=0).tolist() == eyes.argmin(dim=0).tolist()
