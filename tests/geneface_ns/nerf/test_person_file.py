"""The person file: the same pictures, the same person, small, and safe to open whoever wrote it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from audio_motion.errors import InputError
from audio_motion.models.postnet import PostNetConfig
from audio_motion.sequence import LandmarkSequence
from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.capture_format.fingerprint import fingerprint
from geneface_ns.capture_format.person import Person
from geneface_ns.motion.prosody import own_prosody
from geneface_ns.motion.sequence import motion_of_sequence
from geneface_ns.nerf.draws import ray_source
from geneface_ns.nerf.loop import TrainingConfig, train
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.nerf.warm_start import start_from_pictures
from geneface_ns.scene import person_file as format_
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.person_file import SentPerson, read_person_file, write_person_file
from geneface_ns.scene.prepared import prepare
from geneface_ns.synthetic.exact_capture import write_exact_capture
from geneface_ns.trained.load import Trained, load_trained
from geneface_ns.trained.person_file import person_file
from tests.geneface_ns.fakes import write_postnet
from tests.geneface_ns.sent import changed, enlarged, pictures, put, refitted, set_in, written

STEPS = 60
LARGEST, MEAN = 2, 0.05
"""By how much pictures may differ from the checkpoint's, in 255ths: any value, and on the average."""


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A head that has learnt for a while: planes and pictures hold what training puts there."""
    folder = tmp_path_factory.mktemp("heads") / "anna"
    write_exact_capture(folder, size=64, frames=22)
    capture = load_capture(folder)
    torch.manual_seed(0)
    portrait = Portrait(capture, 1, PortraitConfig(sample_step=0.05, occupancy_resolution=47))
    frames = np.flatnonzero(capture.is_train)
    start_from_pictures(portrait, FrameStore(capture), frames)
    config = TrainingConfig(head_steps=STEPS * 3 // 4, coarse_steps=20, train_num_rays_per_batch=1024)
    source = ray_source(capture, prepare(capture, 1, config.neck_reach), 1)
    for _ in train(portrait, source, torch.from_numpy(frames), STEPS, config):
        pass
    return Trained(portrait.eval(), capture, STEPS - 1)


@pytest.fixture(scope="module")
def sent(head: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, capture = tmp_path_factory.mktemp("sent"), head.person
    assert isinstance(capture, Capture)
    postnet = write_postnet(folder / "postnet.safetensors", capture)
    write_person_file(
        folder / "anna.gface",
        person_file(head.portrait, capture, head.step, postnet, own_prosody(head.person), "she agreed"),
    )
    return folder / "anna.gface"


def test_the_same_pictures(head: Trained, sent: Path) -> None:
    again = load_trained(sent, device="cpu")
    assert again.step == head.step
    before, after = pictures(head, "reference"), pictures(again, "reference")
    assert before.std() > 20  # there is something to see
    difference = np.abs(before - after)
    print(f"max {difference.max()}, mean {difference.mean():.4f} of 255")
    assert difference.max() <= LARGEST
    assert difference.mean() < MEAN


def test_the_same_person(head: Trained, sent: Path) -> None:
    person = load_trained(sent, device="cpu").person
    assert isinstance(person, SentPerson)
    assert isinstance(head.person, Capture)
    for field in fields(Person):
        ours, theirs = getattr(person, field.name), getattr(head.person, field.name)
        if isinstance(ours, np.ndarray):
            np.testing.assert_array_equal(ours, theirs, field.name)
        elif field.name != "landmarks":
            assert ours == theirs, field.name
    np.testing.assert_array_equal(person.landmarks.landmarks, head.person.landmarks.landmarks)
    # What they did in the video is still told from other people's motion.
    own = LandmarkSequence.load(head.person.layout.landmarks)
    first = next(iter(motion_of_sequence(own, person)))
    np.testing.assert_array_equal(first.landmarks, own.landmarks[0])


def test_what_it_says_of_itself(head: Trained, sent: Path) -> None:
    assert isinstance(head.person, Capture)
    file = read_person_file(sent)
    assert file.fingerprint == fingerprint(head.person)
    card = file.card
    assert (card.name, card.size, card.trained_steps, card.consent) == ("avatar-1", (64, 64), STEPS, "she agreed")
    assert card.made_with.startswith("geneface-ns ")
    assert card.made_on.startswith("20")
    assert "Synthetic" in card.statement


def test_a_usual_person_at_256_has_less_than_12_mb(head: Trained, tmp_path: Path) -> None:
    """71 seconds at 25 fps; untrained weights, which have the same size."""
    capture, frames = head.person, 1779
    assert isinstance(capture, Capture)
    large = enlarged(capture, frames, 256)
    postnet = write_postnet(tmp_path / "postnet.safetensors", large, PostNetConfig())
    portrait = Portrait(large, 1, PortraitConfig())
    write_person_file(
        tmp_path / "large.gface", person_file(portrait, large, 0, postnet, np.zeros((len(large), 3), np.float32))
    )
    size = (tmp_path / "large.gface").stat().st_size
    print(f"{size / 1e6:.2f} MB")
    assert size < 12e6
    assert len(load_trained(tmp_path / "large.gface", device="cpu").person) == frames


SIZES = ("config", "portrait")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_in("kind", to="audio-motion postnet"), "not a person file"),
        (set_in("schema_version", to=3), "schema version 3, this program reads 2; use the release that wrote it"),
        (set_in("renderer", to="geneface-other"), "made for the renderer 'geneface-other'"),
        (set_in("renderer", to="geneface-splat"), "head.weights.moving is missing"),
        (set_in("step", to="many"), "step"),
        (set_in("person", "name", to=7), "name"),
        (set_in("person", "fps", to=1e9), "fps is 1e"),
        (set_in("person", "width", to=10**6), "w is 1000000"),
        (set_in("person", "width", to=6400), "its sizes ask for"),
        (set_in("person", "focal", to=[1e-30, 1e-30]), "fl_x is 1e-30"),
        (set_in("person", "centre", to=[1e30, 0.0]), "cx, cy are"),
        (set_in("config", "downscale", to=0), "a size of 0"),
        (set_in("config", "downscale", to=-1), "a size of -1"),
        (set_in(*SIZES, "head", "plane_resolutions", to=[32, 64, 128, 10**6]), "its sizes ask for"),
        (set_in(*SIZES, "head", "plane_channels", to=10**9), "its sizes ask for"),
        (set_in(*SIZES, "head", "basis_resolution", to=10**5), "its sizes ask for"),
        (set_in(*SIZES, "head", "basis_channels", to=10**9), "its sizes ask for"),
        (set_in(*SIZES, "head", "hidden", to=10**6), "its sizes ask for"),
        (set_in(*SIZES, "head", "warp_resolution", to=5000), "warp_resolution is 5000"),
        (set_in(*SIZES, "torso", "latent_resolutions", to=[32, 10**6]), "its sizes ask for"),
        (set_in(*SIZES, "torso", "latent_channels", to=10**9), "its sizes ask for"),
        (set_in(*SIZES, "torso", "code", to=10**9), "its sizes ask for"),
        (set_in(*SIZES, "torso", "hidden", to=10**6), "its sizes ask for"),
        (set_in(*SIZES, "occupancy_resolution", to=10**4), "its sizes ask for"),
        (set_in(*SIZES, "sample_step", to=1e-9), "sample_step is 1e-09"),
        (put("person.head_box", lambda box: box * 100), "sample_step is 0.05"),
        (put("person.head_box", lambda box: box.flip(0)), "head_box holds nothing"),
        (put("person.c2w", written(2.0, 3, 0, 0)), "frame 3: transform_matrix is no rotation"),
        (put("person.c2w", written(1e9, 3, 0, 3)), "frame 3: transform_matrix is too far away"),
        (put("person.body", lambda body: body * 0), "frame 0: body is no motion of a body"),
        (put("person.body", written(1e9, 2, 0, 2)), "frame 2: body is too far away"),
        (put("person.landmarks", written(torch.nan, 0, 0, 0)), "person.landmarks is not finite"),
        (put("person.landmarks", written(1e9, 4, 0, 0)), r"landmarks reaches 1e\+09 at frame 4"),
        (put("person.landmarks", lambda table: table[:5]), "eye_openness is float32"),
        (put("person.landmarks", lambda table: table.half()), "landmarks is float16"),
        (put("person.valid", lambda table: ~table), "no frame of it was learnt from"),
        (put("portrait.torso.torso_picture", lambda picture: picture.float()), "expected torch.float16"),
        (put("portrait.head.lower_planes", lambda planes: planes[:0]), "is empty"),
        (put("portrait.head.first.bias", lambda bias: bias[:3]), "size mismatch"),
        (put("portrait.occupancy.occupied", lambda bits: bits[:9]), "its sizes ask for"),
        (lambda info, tensors: tensors.pop("portrait.head.first.bias"), "head.first.bias is missing"),
        (
            lambda info, tensors: tensors.update({"portrait.head.box": torch.zeros(2, 3)}),
            "head.box is missing, or one too many",
        ),
        (lambda info, tensors: tensors.update({"portrait.more": torch.zeros(9)}), "more is missing, or one too many"),
        (put("postnet", lambda post: post.float()), "its post-net is none"),
        (put("postnet", lambda post: post[:-1]), "damaged, or no person file"),
        (refitted(set_in("kind", to="audio-motion generator")), "not a postnet checkpoint; have that file made again"),
        (refitted(set_in("config", "hidden", to=10**6)), "hidden is 1000000"),
        (refitted(put("model.leave.bias", lambda bias: bias * torch.nan)), "model.leave.bias is not finite"),
        # A stranger does not choose what is fetched.
        (refitted(set_in("features_spec", to="whisper:their/own")), "its post-net hears through 'whisper:their/own'"),
    ],
)
def test_a_strangers_file_is_told_in_one_line(sent: Path, tmp_path: Path, change: Any, says: str) -> None:
    path = changed(sent, tmp_path / "theirs.gface", change)
    with pytest.raises(InputError, match=says) as caught:
        load_trained(path, device="cpu")
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_damage_and_size(sent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "theirs.gface"
    contents = bytearray(sent.read_bytes())
    contents[-1000] ^= 1
    path.write_bytes(contents)
    with pytest.raises(InputError, match=r"damaged.*checksum does not match.*copy it again"):
        load_trained(path)
    path.write_bytes(sent.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"damaged.*copy it again"):
        load_trained(path)
    with path.open("wb") as file:
        file.truncate(format_.LARGEST + 1)
    with pytest.raises(InputError, match="128 MiB, and a person file has at most 128"):
        load_trained(path)
    monkeypatch.setattr(format_, "LARGEST", 1 << 20)
    with pytest.raises(InputError, match="train at a smaller size"):
        write_person_file(tmp_path / "new.gface", read_person_file_of(sent, monkeypatch))
    assert not (tmp_path / "new.gface").exists()


def read_person_file_of(sent: Path, monkeypatch: pytest.MonkeyPatch) -> format_.PersonFile:
    with monkeypatch.context() as patch:
        patch.setattr(format_, "LARGEST", 1 << 30)
        return read_person_file(sent)


def test_a_head_that_no_file_holds_is_refused_before_it_is_written(head: Trained, tmp_path: Path) -> None:
    assert isinstance(head.person, Capture)
    postnet = write_postnet(tmp_path / "postnet.safetensors", head.person)
    fine = Portrait(head.person, 1, PortraitConfig(sample_step=1e-3))
    with pytest.raises(InputError, match=r"no person file holds such a head \(sample_step is 0.001"):
        person_file(fine, head.person, 0, postnet, own_prosody(head.person))
