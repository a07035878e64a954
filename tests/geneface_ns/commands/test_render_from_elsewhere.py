"""A head that was trained from a capture named relatively is rendered from any folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from geneface_ns.capture_format.capture import load_capture
from geneface_ns.commands.render import RenderConfig
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.synthetic.exact_capture import write_exact_capture
from geneface_ns.trained import checkpoint
from geneface_ns.trained.methods import METHOD
from tests.geneface_ns.commands.test_cli import config
from tests.geneface_ns.output.test_video import count


def test_a_capture_given_relatively_is_found_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_exact_capture(tmp_path / "work" / "anna", size=32, frames=4)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    run = config(tmp_path, checkpoint=False).parent
    capture = load_capture(Path("anna"))
    portrait = Portrait(capture, 1, PortraitConfig())
    tensors = {checkpoint.PREFIX + name: value for name, value in portrait.state_dict().items()}
    about = checkpoint.About.of(capture, 1, PortraitConfig())
    checkpoint.write(
        run / checkpoint.FOLDER / "step-000000000.ckpt",
        {"step": 0, "pipeline": tensors, METHOD: asdict(about)},
    )
    monkeypatch.chdir(tmp_path / "elsewhere")
    motion = Path("..", "work", "anna", "landmarks.npz")
    sound = Path("..", "work", "anna", "audio.wav")
    RenderConfig(run=run, video=Path("anna.mp4"), audio=sound, motion=motion, device="cpu").main()
    frames, _ = count(tmp_path / "elsewhere" / "anna.mp4")
    assert frames == 4
