"""What `benchmarks/methods.py` decides itself: which frames are shown, what the table says, and what is done once."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from audio_motion.topology import mouth_opening
from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.synthetic.exact_capture import write_exact_capture

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Benchmarks import each other as scripts do."""
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    folder = tmp_path_factory.mktemp("methods") / "capture"
    write_exact_capture(folder, size=64, frames=44)
    return load_capture(folder)


def test_the_frames_that_are_shown(capture: Capture) -> None:
    from methods_picture import telling_frames

    test = np.arange(10, 40)
    eyes = np.full_like(capture.landmarks.eye_openness, 0.3)
    eyes[3] = eyes[17] = 0.05  # the first is not among the frames
    c2w = capture.c2w.copy()
    c2w[:, :3, :3] = np.eye(3)
    c2w[23, :3, :3] = [[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]]
    staged = replace(capture, c2w=c2w, landmarks=replace(capture.landmarks, eye_openness=eyes))
    frames = telling_frames(staged, test)
    opening = mouth_opening(capture.landmarks.landmarks[test])
    assert (frames["head turned"], frames["blink"]) == (23, 17)
    assert frames["mouth shut"] == 10 + int(opening.argmin())
    assert frames["wide open"] == 10 + int(opening.argmax())
    assert "blink" not in telling_frames(staged, np.arange(20, 40))


@pytest.mark.parametrize("yaw", [-8.0, 5.0])
def test_a_head_turned_on_goes_further_the_same_way(yaw: float) -> None:
    from methods_picture import turned_on

    def pose(degrees: float) -> np.ndarray:
        c2w = np.eye(4)
        angle = np.radians(degrees)
        c2w[[0, 0, 2, 2], [0, 2, 0, 2]] = np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)
        c2w[:3, 3] = 4 * c2w[:3, 2]
        return c2w

    np.testing.assert_allclose(turned_on(pose(yaw), 10.0), pose(yaw + np.copysign(10.0, yaw)), atol=1e-6)


def test_the_mouth_fills_its_square(capture: Capture) -> None:
    from methods_picture import mouth_of

    picture = np.zeros((64, 64, 3), np.uint8)
    picture[40:44, 20:32] = 255
    large = mouth_of(picture, np.array([20.0, 40.0, 32.0, 44.0]))
    assert large.shape == picture.shape
    columns, rows = (np.flatnonzero(large[..., 0].max(axis=axis) > 128) for axis in (0, 1))
    # Two thirds of the square are as wide as the lips, and it is centred on them.
    assert (columns[0], columns[-1]) == pytest.approx((64 / 6, 64 * 5 / 6), abs=2)
    assert (rows[0] + rows[-1]) / 2 == pytest.approx(31.5, abs=2)


def test_a_row_is_the_real_picture_everybody_and_the_mouths(capture: Capture) -> None:
    from methods_picture import row

    real, other = (np.full((256, 256, 3), value, np.uint8) for value in (200, 90))
    drawn = row("shut", {"real": real, "other": other}, np.array([100.0, 150.0, 160.0, 190.0]))
    assert drawn.shape[1] == 4 * 256
    assert [int(drawn[-1, 256 * i + 128, 0]) for i in range(4)] == [200, 90, 200, 90]


def test_the_table(tmp_path: Path) -> None:
    from methods import FIGURES, Measured, table
    from quality import Done

    keys = {key for _, keys in FIGURES for key in keys}
    modes = {mode: {**dict.fromkeys(keys, 0.0), "psnr_db": 31.234, "opening_correlation": None} for mode, _ in FIGURES}
    report = {"step": 6, "modes": modes, "ceiling": {"head_jitter": 1.279, "obedience": None}}
    done = Done(90.0, "a machine")
    rows = table({"one": Measured(tmp_path, done, report, done, 8.04)}, {"one": (33.31, 61.4)}).splitlines()
    assert rows[:2] == ["|  | one | real frames |", "| --- | --- | --- |"]
    assert "| steps | 7 | - |" in rows
    assert "| minutes of training | 1.5 | - |" in rows
    assert "| all rendered: PSNR, dB | 31.23 | - |" in rows
    assert "| all rendered: opening: correlation | - | - |" in rows
    assert "| all rendered: jitter of the head | 0.00 | 1.28 |" in rows
    assert "| all rendered: frames a second | 33.3 | - |" in rows
    assert "| person file, MB | 8.0 | - |" in rows


def test_what_has_been_done_is_not_done_again(tmp_path: Path) -> None:
    from quality import once, train

    record, made = tmp_path / "done.json", tmp_path / "made"
    command = [sys.executable, "-c", f"open({str(made)!r}, 'a').write('x')"]
    first = once(command, record)
    assert once(command, record) == first
    assert made.read_text() == "x"
    with pytest.raises(SystemExit, match="of another command"):
        once([sys.executable, "-c", ""], record)
    (tmp_path / "quality" / "geneface" / "run").mkdir(parents=True)
    with pytest.raises(SystemExit, match="interrupted"):
        train("geneface", tmp_path, 10, 1, tmp_path)


def test_the_picture_is_written_whole(capture: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row of both blocks, by renderers that show what they are driven by."""
    import methods_picture

    shown = []

    def render_one(renderer: int, c2w: np.ndarray, body: np.ndarray, face: object, size: tuple[int, int]) -> np.ndarray:
        shown.append((renderer, face))
        return np.full((size[1], size[0], 3), renderer, np.uint8)

    test = np.flatnonzero(~capture.is_train)
    landmarks = capture.landmarks.landmarks[test]
    speech = [methods_picture.MotionFrame(face, np.full(2, 0.3, np.float32)) for face in landmarks[::-1]]
    monkeypatch.setattr(methods_picture, "render_one", render_one)
    monkeypatch.setattr(methods_picture, "voice_of", lambda *given: None)
    monkeypatch.setattr(methods_picture, "motion_of_speech", lambda *given, start: iter(speech))
    output = tmp_path / "picture.png"
    methods_picture.draw_picture({"one": 60, "other": 190}, capture, 1, "prior", output)  # type: ignore[dict-item]
    picture = np.asarray(Image.open(output))
    rows = picture.shape[0] // (256 + 24)
    assert picture.shape == (rows * 280, 6 * 256, 3)
    assert rows in (7, 8)  # where there is a blink
    assert len(shown) == 2 * rows
    middle = picture[280 - 128]
    assert [int(middle[256 * i + 128, 0]) for i in (1, 2, 4, 5)] == [60, 190, 60, 190]
    # The last row but two is speech at its most shut, by both of them.
    opening = [float(mouth_opening(face.landmarks)) for _, face in shown[-6:]]  # type: ignore[attr-defined]
    assert opening == sorted(opening)
    assert opening[0] == opening[1] == pytest.approx(float(mouth_opening(landmarks).min()))
