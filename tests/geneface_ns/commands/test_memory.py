"""A CUDA device that is too small."""

from pathlib import Path

import pytest
import torch

from audio_motion.errors import InputError
from geneface_ns.commands.evaluate import EvaluateConfig
from geneface_ns.commands.render import RenderConfig
from geneface_ns.output import performer
from geneface_ns.trained import checkpoint
from tests.geneface_ns.commands.test_cli import config
from tests.geneface_ns.output.test_video import write_wav


@pytest.fixture
def too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose head does not fit on the device."""

    def too_large(*arguments: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has ...")

    for module, name in ((performer, "load_trained"), (checkpoint, "load_run")):
        monkeypatch.setattr(module, name, too_large)
    return config(tmp_path)


def test_render_and_evaluate_say_what_helps(too_small: Path, tmp_path: Path) -> None:
    speech = write_wav(tmp_path / "speech.wav", 1.0, 16000)
    for command in (RenderConfig(run=too_small, speech=speech, video=tmp_path / "out.mp4"), EvaluateConfig(too_small)):
        with pytest.raises(InputError, match="--device cpu") as caught:
            command.main()
        assert "\n" not in str(caught.value)
        assert "smaller size" in str(caught.value)
        assert "train again" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there() -> None:
    assert checkpoint.choose_device("auto") == torch.device("cpu")
    with pytest.raises(InputError, match="no CUDA device here; use --device cpu"):
        checkpoint.choose_device("cuda")
