"""The evaluation's loop on a capture and a model whose errors are known."""

from __future__ import annotations

import io
import math
from pathlib import Path

import av
import numpy as np
import pytest
from rich.console import Console

from audio_motion.errors import InputError
from audio_motion.topology import TEMPLATE
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.evaluation.evaluate import CEILING, CEILING_IS, MODES, evaluate
from geneface_ns.evaluation.panels import side_by_side
from geneface_ns.evaluation.table import table
from geneface_ns.motion.sequence import MotionFrame
from tests.geneface_ns.fakes import FakeRenderer, make_capture


def test_modes_and_figures(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    test = np.flatnonzero(~capture.is_train)
    np.testing.assert_array_equal(test, [40, 41, 42, 43])
    mouth = TEMPLATE.copy()
    mouth[62, 1] = 0.2  # the model paints it as green 51
    speech = iter([MotionFrame(mouth, np.full(2, 0.3, np.float32))] * 3)  # a frame short: the last one is held
    model = FakeRenderer()
    figures = evaluate(model, capture, test, speech, (32, 32), "not measured: …", tmp_path / "out.mp4")
    assert list(figures) == ["head over the real torso", "all rendered", "audio-driven", CEILING]

    def mean_psnr(errors: list[float]) -> float:
        return float(np.mean([10 * math.log10(255**2 / error) for error in errors]))

    # Real red is 4 i. Over the real torso the model shows the underlay, whose head (a quarter of the picture) is black.
    reds = [4 * i for i in test]
    assert figures[MODES[0].name]["psnr_db"] == pytest.approx(mean_psnr([red**2 / 12 for red in reds]), abs=1e-3)
    # Rendered red is body x = i, green the upper lip's height, below 0 here; a third of the channels is wrong.
    assert figures[MODES[1].name]["psnr_db"] == pytest.approx(mean_psnr([(3 * i) ** 2 / 3 for i in test]), abs=1e-3)
    driven = mean_psnr([((3 * i) ** 2 + 51**2) / 3 for i in test])
    assert figures[MODES[2].name]["psnr_db"] == pytest.approx(driven, abs=1e-3)
    assert figures[MODES[2].name]["mouth_psnr_db"] == pytest.approx(driven, abs=1e-3)
    # The lips' box lies in the head, which is all black.
    assert figures[MODES[0].name]["mouth_psnr_db"] == pytest.approx(mean_psnr([r**2 / 3 for r in reds]), abs=1e-3)
    assert figures[MODES[0].name]["lpips"] is None
    assert figures[MODES[0].name]["opening_correlation"] is None  # there is no face in these pictures
    assert figures[MODES[0].name]["frames_with_face"] == 0
    # Real red goes up by 4 a frame, rendered by 1: a third of the channels.
    assert figures[CEILING]["background_change"] == pytest.approx(4 / 3, abs=1e-6)
    assert figures[MODES[1].name]["background_change"] == pytest.approx(1 / 3, abs=1e-6)
    assert figures[CEILING]["shoulders_change"] is None  # there are none
    # Poses are the tracked ones, each once a mode.
    np.testing.assert_allclose(np.stack(model.poses)[::3], capture.c2w[test])

    with av.open(str(tmp_path / "out.mp4")) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.audio
        assert container.duration / 1e6 == pytest.approx(4 / 25, abs=0.04)
    assert len(pictures) == 4
    assert pictures[0].shape == (256 + 24, 4 * 256, 3)
    reds_shown = [pictures[3][200, 256 * k + 128, 0] for k in range(4)]
    np.testing.assert_allclose(reds_shown, [172, 0, 43, 43], atol=6)

    report = {"size": (32, 32), "test_frames": [40, 43], "step": 7, "lpips": "not measured: …"}
    report["modes"] = {mode.name: {"what": mode.what, **figures[mode.name]} for mode in MODES}
    report["ceiling"] = {"what": CEILING_IS, **figures[CEILING]}
    console = Console(record=True, width=80, file=io.StringIO())  # an ordinary terminal
    console.print(table(report))
    shown = console.export_text()
    (row,) = [line for line in shown.splitlines() if "PSNR, dB" in line]
    assert [cell.strip() for cell in row.split("│")[2:5]] == [f"{figures[m.name]['psnr_db']:.2f}" for m in MODES]
    for word in " ".join(f"{mode.name} {mode.what}" for mode in MODES).split():
        assert word in shown
    (row,) = [line for line in shown.splitlines() if "1.33" in line]
    assert [cell.strip() for cell in row.split("│")[2:6]] == ["1.33", "0.33", "0.33", "1.33"]


def test_no_motion_at_all(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    with pytest.raises(InputError, match="too short"):
        evaluate(FakeRenderer(), capture, np.array([40]), iter(()), (32, 32), "", tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_panels() -> None:
    pictures = {"real": np.full((200, 100, 3), 9, np.uint8), "rendered": np.full((200, 100, 3), 7, np.uint8)}
    panel = side_by_side(pictures)
    assert panel.shape == (24 + 600, 600, 3)  # 100 px wide: three times, to reach 256
    assert (panel[24:, :300] == 9).all()
    assert (panel[24:, 300:] == 7).all()
    assert panel[:24].max() > 200  # the names are written
