"""The capture as nerfstudio is given it."""

import json
from pathlib import Path

import numpy as np
import pytest

from audio_motion.errors import InputError
from geneface_ns.plugin.dataparser import GeneFaceDataParserConfig, whole_factors
from tests.geneface_ns.fakes import make_capture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_capture(tmp_path / "anna", frames=44, size=48)


def test_factors_leave_no_remainder_and_something_to_see():
    assert whole_factors(512, 512) == [1, 2, 4, 8, 16, 32]
    assert whole_factors(1280, 720) == [1, 2, 4, 5, 8, 10, 16, 20, 40]
    assert whole_factors(511, 512) == [1]
    assert whole_factors(12, 12) == [1]


@pytest.mark.parametrize("factor", [0, -1, -2, 5, 4, 48, 1000])
def test_a_factor_that_cannot_be_is_refused_with_those_that_can(folder: Path, factor: int):
    with pytest.raises(InputError, match=f"factor {factor} does not suit pictures of 48 x 48 .* one of 1, 2, 3$"):
        GeneFaceDataParserConfig(data=folder, downscale_factor=factor).setup().get_dataparser_outputs("train")


def test_cameras_of_reduced_pictures(folder: Path):
    cameras = GeneFaceDataParserConfig(data=folder, downscale_factor=3).setup().get_dataparser_outputs("train").cameras
    assert (int(cameras.width[0]), int(cameras.height[0])) == (16, 16)
    assert float(cameras.fx[0]) == pytest.approx(100 / 3)
    assert float(cameras.cx[0]) == pytest.approx(8)


@pytest.mark.parametrize("split", ["val", "test"])
def test_frames_without_a_face_are_neither_learnt_from_nor_judged_by(folder: Path, split: str):
    # As `geneface evaluate`, which measures none of them: their poses and landmarks are guesses.
    path = folder / "transforms.json"
    data = json.loads(path.read_text())
    for unseen in (3, 41):
        data["frames"][unseen]["valid"] = False
    path.write_text(json.dumps(data))
    parser = GeneFaceDataParserConfig(data=folder).setup()
    train, test = (parser.get_dataparser_outputs(name).metadata["frames"] for name in ("train", split))
    np.testing.assert_array_equal(train, [*range(3), *range(4, 40)])
    np.testing.assert_array_equal(test, [40, 42, 43])
