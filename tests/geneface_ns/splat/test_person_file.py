"""The person file of a head of Gaussians: the same pictures, small, and safe to open whoever wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from audio_motion.errors import InputError
from audio_motion.models.postnet import PostNetConfig
from geneface_ns.capture_format.capture import Capture
from geneface_ns.motion.prosody import own_prosody
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.person_file import SentPerson, read_person_file, write_person_file
from geneface_ns.splat.person_file import stored
from geneface_ns.splat.portrait import SplatPortrait, SplatPortraitConfig
from geneface_ns.splat.surface import head_surface
from geneface_ns.trained.load import Trained, load_trained
from geneface_ns.trained.person_file import person_file
from tests.geneface_ns.fakes import write_postnet
from tests.geneface_ns.sent import changed, enlarged, pictures, put, set_in, written
from tests.geneface_ns.splat.tiny import tiny_person

STEPS = 80
MEAN, LEAST = 0.1, 50.0
"""By how much pictures may differ from the checkpoint's on the average, in 255ths; and their decibels. Where two
Gaussians are as near, a pixel may take the other for the first."""


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A head whose bases, colours and scales hold what training puts there; the torso is the mean one."""
    made = tiny_person(tmp_path_factory.mktemp("heads") / "anna", STEPS)
    return Trained(made.portrait.eval(), made.capture, STEPS - 1)


@pytest.fixture(scope="module")
def sent(head: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, capture = tmp_path_factory.mktemp("sent"), head.person
    assert isinstance(capture, Capture)
    postnet = write_postnet(folder / "postnet.safetensors", capture)
    file = person_file(head.portrait, capture, head.step, postnet, own_prosody(capture), "she agreed")
    write_person_file(folder / "anna.gface", file)
    return folder / "anna.gface"


def test_the_same_pictures(head: Trained, sent: Path) -> None:
    again = load_trained(sent, device="cpu")
    assert isinstance(again.portrait, SplatPortrait)
    assert isinstance(again.person, SentPerson)
    assert again.step == head.step
    before, after = pictures(head), pictures(again)
    assert before.std() > 20  # there is something to see
    difference = before - after
    decibels = 10 * np.log10(255**2 / np.mean(difference**2))
    print(f"{decibels:.1f} dB, max {np.abs(difference).max()}, mean {np.abs(difference).mean():.4f} of 255")
    assert decibels > LEAST
    assert np.abs(difference).mean() < MEAN


def test_what_each_gaussian_has_is_found_again(head: Trained, sent: Path) -> None:
    ours, theirs = head.portrait.state_dict(), load_trained(sent, device="cpu").portrait.state_dict()
    assert ours.keys() == theirs.keys()
    for name, mine in ours.items():
        theirs_now = theirs[name]
        assert theirs_now.dtype == mine.dtype, name
        if name in ("head.mouth_basis", "head.eyes_basis"):
            step = mine.abs().amax(dim=0) / 127
            assert ((theirs_now - mine).abs() <= 0.51 * step + 1e-9).all(), name
        elif name == "head.weights":
            torch.testing.assert_close(theirs_now, mine, atol=1e-3, rtol=1e-3)
            assert (theirs_now > 0).sum() < 0.5 * (mine > 0).sum()
        else:
            torch.testing.assert_close(theirs_now, mine, atol=1e-4, rtol=1e-3, msg=name)


def test_a_file_of_a_file_is_the_same(head: Trained, sent: Path) -> None:
    """What is stored loses nothing more when it is stored again."""
    first = read_person_file(sent).tensors
    portrait = load_trained(sent, device="cpu").portrait
    assert isinstance(portrait, SplatPortrait)
    for name, value in stored(portrait).items():
        torch.testing.assert_close(value, first[name], atol=1e-6, rtol=1e-5, msg=name)


def test_a_usual_person_at_512_has_less_than_12_mb(head: Trained, tmp_path: Path) -> None:
    """71 seconds at 25 fps, 20,000 Gaussians; untrained, which has the same size."""
    capture = head.person
    assert isinstance(capture, Capture)
    large = enlarged(capture, 1779, 512)
    portrait = SplatPortrait(large, 1, SplatPortraitConfig())
    portrait.head.begin_on(head_surface(capture, FrameStore(capture), 20_000), 0.06)
    postnet = write_postnet(tmp_path / "postnet.safetensors", large, PostNetConfig())
    path = tmp_path / "large.gface"
    write_person_file(path, person_file(portrait, large, 0, postnet, np.zeros((len(large), 3), np.float32)))
    print(f"{path.stat().st_size / 1e6:.2f} MB, {len(portrait.head.means)} Gaussians")
    assert path.stat().st_size < 12e6
    assert len(portrait.head.means) > 19_000
    assert len(load_trained(path, device="cpu").person) == 1779


H, MOVING, LANDMARK = "portrait.head.", "portrait.head.weights.moving", "portrait.head.weights.landmark"
SIZES = ("config", "portrait")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_in("kind", to="audio-motion postnet"), "not a person file"),
        (set_in("schema_version", to=3), "schema version 3, this program reads 2"),
        (set_in("renderer", to="geneface-mesh"), "made for the renderer 'geneface-mesh', which this program has not"),
        (set_in("renderer", to="geneface"), "head.planes.0 is missing"),
        (set_in("config", "downscale", to=0), "a size of 0"),
        (set_in("config", "downscale", to=2), "its sizes ask for"),
        (set_in("config", "portrait", to=[]), "portrait"),
        (set_in(*SIZES, "head", "hidden", to=10**9), "its sizes ask for"),
        (set_in(*SIZES, "head", "hidden", to=-1), "a size of -1"),
        (set_in(*SIZES, "torso", "latent_resolutions", to=[32, 10**6]), "its sizes ask for"),
        (set_in(*SIZES, "torso", "hidden", to=10**6), "its sizes ask for"),
        (lambda info, tensors: tensors.pop(MOVING), "head.weights.moving is missing"),
        (lambda info, tensors: tensors.pop(H + "means"), "head.means is missing"),
        (lambda info, tensors: tensors.pop(H + "eyes_basis.step"), "head.eyes_basis.step is missing"),
        (lambda info, tensors: tensors.update({H + "more": torch.zeros(9)}), "more is missing, or one too many"),
        (put(H + "means", lambda means: means[:-1]), "size mismatch"),
        (put(H + "means", lambda means: means.half()), "means is torch.float16, expected torch.float32"),
        (put(H + "means", written(torch.nan, 5, 0)), "means is not finite"),
        (put(H + "colors", written(torch.inf, 5, 0)), "colors is not finite"),
        (put(H + "quats", lambda quats: quats.float()), "quats is torch.float32, expected torch.float16"),
        (put(H + "scales", lambda scales: scales[:-1]), "its sizes ask for"),
        (put(H + "scales", written(2.0, 7, 1)), "a Gaussian is larger than a face"),
        (put(H + "mouth_basis", lambda basis: basis[..., :-1]), "its sizes ask for"),
        (put(H + "mouth_basis", lambda basis: basis.float()), "mouth_basis is torch.float32, expected torch.int8"),
        (put(H + "mouth_basis.step", lambda step: step[:1]), "its sizes ask for"),
        (put(H + "near_mouth", written(10**6, 3)), "names Gaussians that are not there"),
        (put(H + "near_eyes", written(-1, 3)), "names Gaussians that are not there"),
        (put(H + "near_eyes", lambda near: near.float()), "near_eyes is torch.float32, expected torch.int32"),
        (put(H + "near_eyes", lambda near: near[:-1]), "its sizes ask for"),
        (put(MOVING, lambda moving: moving + 1), "names landmarks that are not there, or too many"),
        (put(MOVING, lambda moving: moving[:-1]), "its sizes ask for"),
        (put(LANDMARK, written(68, 2)), "names landmarks that are not there"),
        (put("portrait.torso.torso_picture", lambda picture: picture.float()), "expected torch.float16"),
        (put("person.landmarks", written(torch.nan, 0, 0, 0)), "person.landmarks is not finite"),
        (put("person.c2w", written(2.0, 3, 0, 0)), "frame 3: transform_matrix is no rotation"),
    ],
)
def test_a_strangers_file_is_told_in_one_line(sent: Path, tmp_path: Path, change: Any, says: str) -> None:
    path = changed(sent, tmp_path / "theirs.gface", change)
    with pytest.raises(InputError, match=says) as caught:
        load_trained(path, device="cpu")
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_too_many_gaussians(sent: Path, tmp_path: Path) -> None:
    """A small file of Gaussians that are everywhere would take minutes and gigabytes."""

    def many(info: dict, tensors: dict[str, torch.Tensor]) -> None:
        count = len(tensors[MOVING])
        for name, value in tensors.items():
            if name.startswith(H) and len(value) == count:
                tensors[name] = value[:1].expand(100_001, *value.shape[1:]).contiguous()
        for name in (LANDMARK, H + "weights.weight"):
            tensors[name] = tensors[name][:1].expand(100_001 * int(tensors[MOVING][0])).contiguous()

    with pytest.raises(InputError, match="100001 Gaussians, and a head has up to 100000"):
        load_trained(changed(sent, tmp_path / "theirs.gface", many), device="cpu")


@pytest.mark.parametrize("cut", [1, 1000, 100_000])
def test_damage(sent: Path, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "theirs.gface"
    contents = bytearray(sent.read_bytes())
    path.write_bytes(contents[:-cut])
    with pytest.raises(InputError, match=r"damaged.*copy it again"):
        load_trained(path)
    contents[-cut] ^= 1
    path.write_bytes(contents)
    with pytest.raises(InputError, match=r"damaged.*checksum does not match.*copy it again"):
        load_trained(path)


def test_it_is_for_the_cpu(sent: Path) -> None:
    with pytest.raises(InputError, match="--device cuda: geneface-splat runs on the CPU"):
        load_trained(sent, device="cuda")


def test_a_head_without_gaussians_is_refused_before_it_is_written(head: Trained, tmp_path: Path) -> None:
    assert isinstance(head.person, Capture)
    postnet = write_postnet(tmp_path / "postnet.safetensors", head.person)
    empty = SplatPortrait(head.person, 1, SplatPortraitConfig())
    with pytest.raises(InputError, match=r"no person file holds such a head \(0 Gaussians"):
        person_file(empty, head.person, 0, postnet, own_prosody(head.person))
