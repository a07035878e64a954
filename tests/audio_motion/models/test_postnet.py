import pytest
import torch

from audio_motion.models.postnet import Discriminator, DiscriminatorConfig, PostNet, PostNetConfig
from audio_motion.training.losses import lsgan_loss, moments_loss
from tests.audio_motion.models.test_generator import lively


def test_the_post_net_starts_as_the_identity_and_can_become_it_again() -> None:
    motion = torch.randn(2, 204, 20)
    net = PostNet(PostNetConfig())
    torch.testing.assert_close(net(motion), motion, rtol=0, atol=0)
    lively(net)
    assert (net(motion) - motion).abs().max() > 0.1
    net.forget()
    torch.testing.assert_close(net(motion), motion, rtol=0, atol=0)


@pytest.mark.parametrize("config", [PostNetConfig(), PostNetConfig(layers=1, kernel=5)])
def test_a_frame_depends_on_its_reach_and_on_all_of_it(config: PostNetConfig) -> None:
    net = lively(PostNet(config))
    motion = torch.randn(1, 204, 41, requires_grad=True)
    net(motion)[0, :, 20].sum().backward()
    seen = motion.grad[0].abs().sum(dim=0).nonzero()[:, 0]
    assert (seen.min().item(), seen.max().item()) == (20 - net.reach, 20 + net.reach)


def test_verdicts_are_of_whole_windows_and_of_mouth_and_jaw_alone() -> None:
    judge = Discriminator(DiscriminatorConfig(windows=(8, 32))).eval()
    known = torch.ones(1, 40, dtype=torch.bool)
    known[0, 9] = False
    motion = torch.randn(1, 204, 40)
    short, long = judge(motion, known)
    assert short[0].shape == (1, 17)  # windows of 8 frames, 2 apart
    assert short[1][0].tolist() == [True] + 4 * [False] + 12 * [True]  # those that begin at 2, 4, 6, 8 hold frame 9
    assert long[0].shape == (1, 2)
    assert not long[1].any()
    other = motion.clone()
    other[:, 3 * 17 : 3 * 48] += 1.0  # brows, nose, eyes
    other[:, :, 9] = torch.nan
    assert torch.equal(judge(other, known)[0][0][0, 5:], short[0][0, 5:])


def test_judgement_by_hand() -> None:
    verdicts = [(torch.tensor([[1.0, 3.0]]), torch.tensor([[True, True]])),
                (torch.tensor([[5.0, 2.0]]), torch.tensor([[False, True]]))]  # fmt: skip
    assert lsgan_loss(verdicts, 1.0).item() == pytest.approx(((0 + 4) / 2 + 1 / 2) / 2)


def test_moments_by_hand() -> None:
    frames = torch.tensor([[3.0, 0.0], [-1.0, 0.0]])  # mean (1, 0), covariance ((4, 0), (0, 0))
    loss = moments_loss(frames, torch.zeros(2), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    assert loss.item() == pytest.approx(1 / 2 + (9 + 1) / 2)
