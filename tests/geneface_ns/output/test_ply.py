"""The still head as a .ply: what it says, and that it is the same head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from audio_motion.errors import InputError
from geneface_ns.output.ply import PROPERTIES, write_ply
from geneface_ns.scene.person_file import STATEMENT
from geneface_ns.splat.head import Gaussians, draw_head
from tests.geneface_ns.splat.tiny import TinyPerson, tiny_person


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> TinyPerson:
    return tiny_person(tmp_path_factory.mktemp("ply") / "capture", steps=30)


def read(path: Path) -> tuple[list[str], np.ndarray]:
    """Header and rows, by the format's own rules."""
    head, _, body = path.read_bytes().partition(b"end_header\n")
    lines = head.decode("ascii").splitlines()
    count = int(next(line for line in lines if line.startswith("element vertex")).split()[2])
    kind = np.dtype([(line.split()[2], "<f4") for line in lines if line.startswith("property float")])
    assert len(body) == count * kind.itemsize
    return lines, np.frombuffer(body, kind)


def test_it_is_the_same_head(person: TinyPerson, tmp_path: Path) -> None:
    path = tmp_path / "anna.ply"
    assert write_ply(path, person.portrait.head) == len(person.portrait.head.means)
    lines, rows = read(path)
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert any(line.startswith("comment Synthetic media") for line in lines)
    assert f"comment {STATEMENT}" in lines
    assert rows.dtype.names == PROPERTIES

    def columns(*names: str) -> torch.Tensor:
        return torch.from_numpy(np.stack([rows[name] for name in names], axis=1))

    found = Gaussians(
        columns("x", "y", "z"),
        columns("rot_0", "rot_1", "rot_2", "rot_3"),
        columns("scale_0", "scale_1", "scale_2").exp(),
        columns("opacity")[:, 0].sigmoid(),
        0.5 + 0.28209479 * columns("f_dc_0", "f_dc_1", "f_dc_2"),
    )
    # Seen by a camera that is turned as the file is: y down, the face still before it.
    c2w = person.portrait.table.c2w[7]
    camera_there = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0])) @ c2w
    ours = draw_head(person.portrait.head.canonical(), person.portrait.camera, c2w, 1)
    theirs = draw_head(found, person.portrait.camera, camera_there, 1)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=0)
    assert ours[1].max() > 0.9
    brows, chin = rows["y"][rows["y"].argsort()[:50]].mean(), rows["y"][rows["y"].argsort()[-50:]].mean()
    assert brows < 0 < chin  # y points down


def test_it_is_the_mean_face(person: TinyPerson) -> None:
    """That is what the head shows where nothing differs from the training frames' mean."""
    head = person.portrait.head
    condition = person.portrait.table(torch.tensor([0.0]))
    drive = head.drive(condition._replace(landmarks=head.mean[None], eye_openness=head.encoder.eye_mean[None]))
    still = head.canonical()
    with torch.no_grad():
        turned = head.driven(drive._replace(pose=torch.zeros(1, 6)))
    # The network sees the pose, too; its part is small after a few steps.
    torch.testing.assert_close(turned.means, still.means, atol=5e-3, rtol=0)
    assert not torch.equal(head(condition).means, still.means)


def test_a_place_that_cannot_be_written_to(person: TinyPerson, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_ply(tmp_path / "file" / "anna.ply", person.portrait.head)
