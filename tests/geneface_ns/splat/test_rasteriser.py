"""The rasteriser against gsplat's own torch lines, its plain-torch twin and finite differences."""

import pytest
import torch
from gsplat.cuda._torch_impl import _fully_fused_projection, _quat_scale_to_covar_preci
from gsplat.strategy import DefaultStrategy
from torch import Tensor

from geneface_ns.splat.rasteriser import rasterise
from geneface_ns.splat.reference import blend, project

SIZE = (75, 52)
"""Width and height: no whole number of tiles."""


def cameras(count: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """World to camera, and intrinsics, of cameras that look at the origin from about three units away."""
    views, lenses = [], []
    for i in range(count):
        angle = torch.tensor(0.3 * i - 0.1)
        view = torch.eye(4)
        view[:3, :3] = torch.tensor(
            [[angle.cos(), 0, angle.sin()], [0, 1, 0], [-angle.sin(), 0, angle.cos()]]
        ) @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))
        view[:3, 3] = torch.tensor([0.05, -0.1, 3.0 + 0.2 * i])
        views.append(view)
        lenses.append(torch.tensor([[80.0 + i, 0, 36], [0, 77, 27 - i], [0, 0, 1]]))
    return torch.stack(views).to(dtype), torch.stack(lenses).to(dtype)


def cloud(count: int, channels: int = 3, seed: int = 0, size: float = 0.06) -> dict[str, Tensor]:
    """Gaussians of all shapes and opacities, before, in and behind the cameras, in and beside the picture."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    return {
        "means": normal(count, 3) * torch.tensor([0.9, 0.7, 1.2]),
        "quats": normal(count, 4) * 2,
        "scales": torch.exp(0.7 * normal(count, 3)) * size,
        "opacities": torch.sigmoid(2 * normal(count) + 1),
        "colors": torch.rand(count, channels, generator=generator),
    }


def radii_of(scene: dict[str, Tensor], views: Tensor, lenses: Tensor) -> Tensor:
    """By gsplat's torch lines: [C, N], 0 where a Gaussian is not seen."""
    covariances, _ = _quat_scale_to_covar_preci(scene["quats"], scene["scales"])
    return _fully_fused_projection(scene["means"], covariances, views, lenses, *SIZE)[0]


def by_hand(scene: dict[str, Tensor], views: Tensor, lenses: Tensor, backgrounds: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures by the twin."""
    means2d, conics, depths = project(*(scene[k] for k in ("means", "quats", "scales")), views, lenses, SIZE, 0.3)
    radii = radii_of(scene, views, lenses)
    pictures, alphas = [], []
    for camera in range(len(views)):
        seen = torch.nonzero(radii[camera] > 0)[:, 0]
        order = seen[depths[camera, seen].sort(stable=True).indices]
        colour, alpha = blend(means2d[camera], conics[camera], scene["opacities"], scene["colors"], order, SIZE)
        pictures.append(colour + (1 - alpha) * backgrounds[camera])
        alphas.append(alpha)
    return torch.stack(pictures), torch.stack(alphas)


def gradients(scene: dict[str, Tensor], render, mix: Tensor, mix_alpha: Tensor) -> dict[str, Tensor]:
    """Of a mixture of all pixels, by every input."""
    leaves = {name: tensor.detach().clone().requires_grad_() for name, tensor in scene.items()}
    colours, alphas = render(leaves)
    ((colours * mix).sum() + (alphas * mix_alpha).sum()).backward()
    return {name: leaf.grad for name, leaf in leaves.items()}


def test_the_projection_is_gsplats():
    views, lenses = cameras(3)
    scene = cloud(500)
    covariances, _ = _quat_scale_to_covar_preci(scene["quats"], scene["scales"])
    radii, means2d, depths, conics, _ = _fully_fused_projection(scene["means"], covariances, views, lenses, *SIZE)
    _, _, info = rasterise(**scene, viewmats=views, Ks=lenses, width=SIZE[0], height=SIZE[1])
    seen = radii > 0
    assert 0.3 < seen.float().mean() < 0.9
    assert (info["radii"] != radii).float().mean() < 0.01  # rounding, of what stands upon a limit
    both = seen & (info["radii"] > 0)
    torch.testing.assert_close(info["means2d"][both], means2d[both], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(info["conics"][both], conics[both], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(info["depths"][both], depths[both])
    ours, theirs, _ = project(scene["means"], scene["quats"], scene["scales"], views, lenses, SIZE, 0.3)
    torch.testing.assert_close(ours[seen], means2d[seen], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(theirs[seen], conics[seen], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("channels", "count", "threads"), [(3, 400, 2), (1, 1500, 1), (5, 400, 3)])
def test_pictures_and_gradients_are_those_of_the_twin(channels: int, count: int, threads: int):
    views, lenses = cameras(2)
    scene = cloud(count, channels)
    backgrounds = torch.rand(2, channels)

    def fast(scene: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        sizes = {"width": SIZE[0], "height": SIZE[1], "threads": threads}
        return rasterise(**scene, viewmats=views, Ks=lenses, backgrounds=backgrounds, **sizes)[:2]

    def plain(scene: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        return by_hand(scene, views, lenses, backgrounds)

    ours, theirs = fast(scene), plain(scene)
    assert theirs[1].std() > 0.02
    for one, other in zip(ours, theirs, strict=True):
        apart = (one - other).abs()
        # Where a Gaussian is just as faint as can be seen, rounding decides whether it is.
        assert (apart > 1e-4).float().mean() < 1e-3
        assert apart.max() < 1 / 255
    mix, mix_alpha = torch.randn_like(theirs[0]), torch.randn_like(theirs[1])
    fast_gradients, plain_gradients = (gradients(scene, render, mix, mix_alpha) for render in (fast, plain))
    for name, gradient in plain_gradients.items():
        assert (fast_gradients[name] - gradient).norm() < 1e-3 * gradient.norm(), name


def test_the_twins_gradients_are_right():
    """In double precision, against finite differences; a Gaussian stands where the slope is held."""
    views, lenses = cameras(2, torch.double)
    scene = {name: tensor.double().requires_grad_() for name, tensor in cloud(3, 2, seed=1).items()}
    with torch.no_grad():
        scene["means"][2] = torch.tensor([2.5, 0.1, 0.0])

    def all_of_it(*inputs: Tensor) -> Tensor:
        means2d, conics, _ = project(*inputs, views, lenses, SIZE, 0.3)
        return torch.cat([means2d.flatten(), conics.flatten()])

    assert torch.autograd.gradcheck(all_of_it, [scene[name] for name in ("means", "quats", "scales")])

    size, order = (6, 5), torch.tensor([2, 0, 1])
    places = torch.tensor([[2.2, 2.6], [3.1, 1.9], [4.0, 3.3]], dtype=torch.double, requires_grad=True)
    conics = torch.tensor([[0.1, 0.02, 0.2], [0.3, -0.1, 0.1], [0.05, 0, 0.05]], dtype=torch.double, requires_grad=True)
    opacities = torch.tensor([0.7, 0.9, 0.3], dtype=torch.double, requires_grad=True)
    picture = lambda *inputs: torch.cat([x.flatten() for x in blend(*inputs, order, size)])  # noqa: E731
    assert torch.autograd.gradcheck(picture, [places, conics, opacities, scene["colors"]])


def test_a_few_in_their_order():
    """Two pixels wide Gaussians in the middle: the nearer covers the farther, whichever comes first."""
    view, lens = torch.eye(4)[None], torch.tensor([[[100.0, 0, 16.5], [0, 100, 16.5], [0, 0, 1]]])
    means = torch.tensor([[0.0, 0, 4], [0, 0, 2]])
    quats, scales = torch.tensor([[1.0, 0, 0, 0]]).expand(2, 4), torch.full((2, 3), 0.1)
    colours = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    opacities = torch.tensor([0.5, 0.75])
    picture, alpha, info = rasterise(
        means, quats, scales, opacities, colours, view, lens, 33, 33, backgrounds=torch.tensor([[0.0, 0, 1]])
    )
    torch.testing.assert_close(picture[0, 16, 16], torch.tensor([0.125, 0.75, 0.125]))
    torch.testing.assert_close(alpha[0, 16, 16], torch.tensor([0.875]))
    assert picture[0, 0, 0].tolist() == [0, 0, 1]
    # Variance (100 x 0.1 / 2)^2 + 0.3 of the nearer: three deviations of it, rounded up.
    assert info["radii"].tolist() == [[8, 16]]
    assert info["depths"].tolist() == [[4, 2]]
    assert info["isect_offsets"].shape == (1, 3, 3)
    assert int(info["tiles_per_gauss"].sum()) == len(info["flatten_ids"])


def test_gradients_in_the_picture_are_retained_and_absolute_ones_summed_up():
    views, lenses = cameras(2)
    scene = cloud(6)
    width, height = SIZE

    def draw(absgrad: bool) -> tuple[Tensor, dict]:
        leaves = {name: tensor.clone().requires_grad_() for name, tensor in scene.items()}
        colours, _, info = rasterise(**leaves, viewmats=views, Ks=lenses, width=width, height=height, absgrad=absgrad)
        info["means2d"].retain_grad()
        return colours, info

    colours, info = draw(absgrad=True)
    mix = torch.randn_like(colours)
    (colours * mix).sum().backward()
    means2d = info["means2d"].detach().requires_grad_()
    total = torch.zeros_like(means2d)
    for camera in range(2):
        seen = torch.nonzero(info["radii"][camera] > 0)[:, 0]
        order = seen[info["depths"][camera, seen].argsort()]
        places = means2d[camera]
        inputs = info["conics"][camera].detach(), scene["opacities"], scene["colors"]
        picture = blend(places, *inputs, order, SIZE)[0]
        given = (picture * mix[camera]).sum(dim=-1).flatten()
        for pixel in torch.nonzero(picture.sum(dim=-1).flatten() > 0)[:, 0]:
            total[camera] += torch.autograd.grad(given[pixel], means2d, retain_graph=True)[0][camera].abs()
        summed = torch.autograd.grad(given.sum(), means2d)[0][camera]
        torch.testing.assert_close(info["means2d"].grad[camera], summed, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(info["means2d"].absgrad, total, rtol=1e-3, atol=1e-3)
    colours, info = draw(absgrad=False)
    colours.sum().backward()
    assert not hasattr(info["means2d"], "absgrad")


def test_gsplats_densification_takes_it():
    views, lenses = cameras(2)
    scene = cloud(200)
    params = torch.nn.ParameterDict(
        {
            "means": scene["means"],
            "quats": scene["quats"],
            "scales": scene["scales"].log(),
            "opacities": scene["opacities"].logit(),
            "colors": scene["colors"],
        }
    )
    optimizers = {name: torch.optim.Adam([{"params": [value], "name": name}]) for name, value in params.items()}
    strategy = DefaultStrategy(refine_start_iter=1, refine_every=4, grow_grad2d=1e-4, absgrad=True)
    state = strategy.initialize_state()
    sizes = []
    for step in range(1, 9):
        colours, _, info = rasterise(
            *(params["means"], params["quats"], params["scales"].exp(), params["opacities"].sigmoid()),
            *(params["colors"], views, lenses, *SIZE),
            absgrad=True,
        )
        strategy.step_pre_backward(params, optimizers, state, step, info)
        colours.square().mean().backward()
        strategy.step_post_backward(params, optimizers, state, step, info, packed=False)
        for optimizer in optimizers.values():
            optimizer.step()
            optimizer.zero_grad()
        sizes.append(len(params["means"]))
    assert sizes[2] == 200
    assert sizes[3] > 200


NAN, INFINITE = float("nan"), float("inf")
SENSELESS = [
    *[("means", value) for value in (NAN, INFINITE, 1e30)],
    *[("quats", value) for value in (NAN, INFINITE, 0.0)],
    *[("scales", value) for value in (NAN, INFINITE, 1e30)],
    *[("opacities", value) for value in (NAN, 0.0, -1.0)],
]


@pytest.mark.parametrize(("name", "value"), SENSELESS)
def test_senseless_numbers_hide_a_gaussian_and_no_more(name: str, value: float):
    views, lenses = cameras(1)
    whole, scene, rest = cloud(50), cloud(50), cloud(50)
    for each in (whole, scene, rest):
        each["means"][7] = 0  # in the middle of the picture
    scene[name][7], rest["opacities"][7] = value, 0

    def draw(scene: dict[str, Tensor]) -> Tensor:
        return rasterise(**scene, viewmats=views, Ks=lenses, width=SIZE[0], height=SIZE[1])[0]

    assert not torch.equal(draw(whole), draw(rest))
    assert torch.equal(draw(scene), draw(rest))


def test_nothing_is_the_background():
    views, lenses = cameras(1)
    leaves = {name: tensor.requires_grad_() for name, tensor in cloud(0).items()}
    background = torch.tensor([[0.25, 0.5, 1]])
    colours, alphas, _ = rasterise(**leaves, viewmats=views, Ks=lenses, width=20, height=10, backgrounds=background)
    assert torch.equal(colours, background.expand(1, 10, 20, 3))
    assert not alphas.any()
    (colours.sum() + alphas.sum()).backward()
    assert leaves["means"].grad.shape == (0, 3)


def test_shapes_and_kinds_are_checked():
    views, lenses = cameras(1)
    scene = cloud(4)
    with pytest.raises(ValueError, match=r"scales is \[3, 3\], expected \[4, 3\]"):
        rasterise(**{**scene, "scales": scene["scales"][:3]}, viewmats=views, Ks=lenses, width=20, height=10)
    with pytest.raises(ValueError, match=r"means is torch.float64"):
        rasterise(**{**scene, "means": scene["means"].double()}, viewmats=views, Ks=lenses, width=20, height=10)
    with pytest.raises(ValueError, match="viewmats has no gradient here"):
        rasterise(**scene, viewmats=views.clone().requires_grad_(), Ks=lenses, width=20, height=10)
