"""The viewer's parts without a browser: clocks, pictures, and what ends with a browser that is gone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import viser

from audio_motion.postprocess import PostProcess
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.motion.camera_path import focal_length, timed_path, write_path
from geneface_ns.motion.sequence import MotionFrame, own_eyes
from geneface_ns.motion.voice import Voice
from geneface_ns.output.backgrounds import backgrounds
from geneface_ns.output.finish import Frame, over
from geneface_ns.output.options import RenderOptions
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.pose import body_in_image_units
from geneface_ns.synthetic.clip import make_truth
from geneface_ns.synthetic.speech import speech_names, speech_track
from geneface_ns.viewer.browser import Report, read_report
from geneface_ns.viewer.export import export
from geneface_ns.viewer.host import Uploads
from geneface_ns.viewer.panel import plain
from geneface_ns.viewer.path import seen_path, use_of_path
from geneface_ns.viewer.performance import Performance, own_performance
from geneface_ns.viewer.picture import Look, View, backdrop_of, encode, fit_window, mark, moved, paint
from geneface_ns.viewer.player import Player
from geneface_ns.viewer.sound import silence
from geneface_ns.viewer.spoken import Delivery, SpokenControls
from geneface_ns.viewer.stage import Stage
from tests.geneface_ns.fakes import FakeRenderer, make_capture
from tests.geneface_ns.viewer.browsers import until

REPORT: dict[str, Any] = {
    **{"number": 1, "time": 0.5, "playing": True, "rate": 1.0, "sought": 0, "loaded": 1, "shown": 3},
    **{"drift": 0.01, "rate_shown": 25.0, "visible": True, "note": "", "recorded": None, "microphone": ""},
}


def test_only_reports_are_heard() -> None:
    assert read_report(json.dumps({**REPORT, "more": 1})) == Report(**REPORT)
    bad = [{"number": "x"}, {"time": float("nan")}, {"time": None}, {"drift": "1"}, {"note": 5}, {"rate": float("inf")}]
    bad += [{"recorded": "1"}, {"recorded": float("inf")}, {"microphone": None}]
    for text in ("", "[", "[]", "3", "{}", "[" * 100_000, *(json.dumps({**REPORT, **change}) for change in bad)):
        assert read_report(text) is None, text[:80]


def test_names_of_files_are_text_and_nothing_more() -> None:
    assert plain("speech 1.wav, 2 s") == "speech 1.wav, 2 s"
    assert not set(plain("<b>{1+1}\n![x](/etc/passwd) import a from 'b'")) & set("<>{}[]()!'`*\n")


@pytest.mark.parametrize("fps", [10.0, 12.5, 25.0, 30000 / 1001, 60.0])
def test_the_middle_of_a_frame_is_that_frame(tmp_path: Path, fps: float) -> None:
    capture = load_capture(make_capture(tmp_path / "anna", fps=fps))
    performance = own_performance(capture, silence(tmp_path / "s.wav", 44 / fps))
    for index in range(performance.total):
        assert performance.index_at((index + 0.5) / fps) == index
        assert performance.index_at(index / fps) == index
        np.testing.assert_allclose(performance.pose_at(index)[0], capture.c2w[index], atol=1e-6)
        np.testing.assert_allclose(performance.pose_at(index)[1], capture.body[index], atol=1e-4)
    assert performance.index_at(-1) == 0
    assert performance.index_at(1e9) == performance.total - 1


def test_motion_that_ends_early_is_held_and_stops_when_told(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    own = own_performance(capture, silence(tmp_path / "s.wav", 1.0))
    heard: list[int] = []
    performance = Performance("x", 25.0, 10, own.sound, own.trajectory)
    performance.fill(iter(own.frames[:7]), threading.Event(), lambda: heard.append(len(performance.frames)))
    assert len(performance.frames) == 10
    assert performance.frames[-1] is own.frames[6]
    assert heard == [1, 2, 3, 4, 5, 6, 7, 10]
    stop = threading.Event()
    endless = Performance("x", 25.0, 10**9, own.sound, own.trajectory)
    endless.fill(iter(lambda: own.frames[0], None), stop, lambda: stop.set() if len(endless.frames) == 5 else None)
    assert len(endless.frames) == 5


def test_landmarks_are_drawn_where_the_face_is() -> None:
    truth = make_truth(1, speech_track(speech_names("train"), 1, seconds=1.0), (256, 192), 10.0, 4)
    camera = Pinhole((truth.fl, truth.fl), (truth.cx, truth.cy), (256, 192))
    for index in range(4):
        for point in (8, 30, 51, 57):
            picture = np.zeros((192, 256, 3), np.uint8)
            mark(picture, truth.sequence().landmarks[index][[point]], camera, truth.c2w[index])
            rows, columns = np.nonzero(picture.max(axis=2) > 100)
            np.testing.assert_allclose((columns.mean() + 0.5, rows.mean() + 0.5), truth.points2d[index][point], atol=1)


def test_mouth_and_blinks_can_be_told(tmp_path: Path) -> None:
    person = load_capture(make_capture(tmp_path / "anna"))
    face = person.mean_landmarks.copy()
    face[48:68, 1] -= 0.1
    face[30, 2] += 0.1  # the nose
    motion = MotionFrame(face, np.array([0.05, 0.05], np.float32))
    same = moved(motion, person, Look((8, 8)))
    assert same == motion
    wider = moved(motion, person, Look((8, 8), mouth=2.0)).landmarks - person.mean_landmarks
    np.testing.assert_allclose(wider[48:68, 1], -0.2, atol=1e-6)
    assert wider[30, 2] == pytest.approx(0.1, abs=1e-6)
    np.testing.assert_array_equal(motion.landmarks, face)  # what is performed stays as it is
    awake = moved(motion, person, Look((8, 8), blinks=False))
    np.testing.assert_allclose(awake.eye_openness, own_eyes(person).open, rtol=1e-6)


def test_a_window_shows_all_of_a_picture_undistorted() -> None:
    picture = np.full((30, 40, 3), 200, np.uint8)
    for aspect in (0.3, 1.0, 4 / 3, 3.0):
        shown = fit_window(picture, aspect)
        assert shown.shape[1] / shown.shape[0] == pytest.approx(aspect, rel=0.04)
        assert (shown == 200).all(axis=2).sum() == 30 * 40
    assert encode(picture)[:2] == b"\xff\xd8"


def test_a_free_camera_is_where_it_is_said(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    performance = own_performance(capture, silence(tmp_path / "s.wav", 44 / 25))
    seen: list[tuple[Pinhole, object]] = []

    class Renderer(FakeRenderer):
        def render(self, condition, camera, c2w=None, underlay=None):  # type: ignore[no-untyped-def]
            seen.append((camera, c2w))
            return super().render(condition, camera, c2w, underlay)

    c2w = np.eye(4)
    c2w[:3, 3] = (1, 2, 3)
    view = View(tuple(c2w.ravel().tolist()), 2 * np.arctan(0.5), 2.0)
    picture = paint(Renderer(), capture, performance, 3, Look((32, 32), pose="free camera", view=view))
    assert picture.shape == (32, 64, 3)
    camera, given = seen[0]
    assert camera.focal == pytest.approx((32, 32))
    np.testing.assert_allclose(given, c2w)
    beside = paint(Renderer(), capture, performance, 3, Look((32, 32), beside=True))
    assert beside.shape == (32, 64, 3)
    assert (beside[:, :32] == (12, 0, 0)).all()  # the capture's own picture of frame 3


def test_what_stands_behind_is_what_render_puts_there(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    performance = own_performance(capture, silence(tmp_path / "s.wav", 44 / 25))

    class Half(FakeRenderer):
        def render(self, condition, camera, c2w=None, underlay=None):  # type: ignore[no-untyped-def]
            layers = super().render(condition, camera, c2w, underlay)
            person = layers.person.clone()
            person[:, 16:] = 0  # nobody on the right
            person[:, 8:16] *= 0.5
            head = torch.full_like(layers.head, 0.5)
            return layers._replace(person=person, head=head, opacity=torch.full_like(layers.opacity, 0.5))

    backdrop = backdrop_of("#336699", (32, 32))
    shown = paint(Half(), capture, performance, 3, Look((32, 32), background=backdrop))
    condition = Condition(
        *(torch.zeros(1, 68, 3), torch.zeros(1, 2), torch.eye(4)[None]),
        body_in_image_units(torch.tensor([[[1.0, 0, 3], [0, 1, 0]]]), 32, 32),
    )
    condition = condition._replace(landmarks=torch.from_numpy(performance.frames[3].landmarks)[None])
    finish = over(Frame((32, 32), (32, 32)), backgrounds("#336699", (32, 32), 25.0))
    np.testing.assert_array_equal(shown, finish(Half().render(condition, Half.camera)))
    assert (shown[:, 16:] == (0x33, 0x66, 0x99)).all()
    assert (shown[:, :8] != (0x33, 0x66, 0x99)).any(axis=2).all()
    head = paint(Half(), capture, performance, 3, Look((32, 32), shown="head alone"))
    assert (head == 128).all()  # half of it over black
    head = paint(Half(), capture, performance, 3, Look((32, 32), shown="head alone", background=backdrop))
    assert (head == (128 + 0x19, 128 + 0x33, 128 + 0x4C)).all()
    # A picture that was chosen before needs no new pictures.
    assert Look((8, 8), background=backdrop_of("#336699", (4, 4))) == Look((8, 8), background=backdrop)


def test_the_path_of_what_is_seen(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    performance = own_performance(capture, silence(tmp_path / "s.wav", 44 / 25))
    still, size = seen_path(capture, FakeRenderer.camera, performance, Look((32, 32), pose="still"))
    assert size == (32, 32)
    assert len(still) == 40  # what was learnt from
    assert (still.c2w == capture.c2w[0]).all()
    assert not still.times.any()
    held, _ = seen_path(capture, FakeRenderer.camera, performance, Look((32, 32), pose="still", held=7))
    assert (held.c2w == capture.c2w[7]).all()
    assert (held.times == capture.times[7]).all()
    c2w = np.eye(4)
    c2w[:3, 3] = (1, 2, 3)
    view = View(tuple(c2w.ravel().tolist()), 2 * np.arctan(0.5), 1.6)
    free = Look((32, 32), pose="free camera", view=view)
    cameras, size = seen_path(capture, FakeRenderer.camera, replace(performance, filmed=False, total=50), free)
    assert size == (52, 32)  # 51.2, and even
    assert len(cameras) == 50
    write_path(tmp_path / "path.json", cameras, size, capture.fps)
    read = timed_path(tmp_path / "path.json", capture.fps)
    assert read is not None
    pose, fov, time = read.at(49)
    np.testing.assert_array_equal(pose, c2w.astype(np.float32))
    assert focal_length(fov, 32) == pytest.approx(32)
    assert time == 0
    assert use_of_path(Path("a b.gface")).startswith("geneface render 'a b.gface' ")


def test_an_export_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    performance = own_performance(capture, silence(tmp_path / "s.wav", 44 / 25))
    stage = Stage(capture, FakeRenderer(), threading.Lock(), lambda: None, tmp_path, tmp_path)  # type: ignore[arg-type, return-value]
    (tmp_path / "out").mkdir()
    stop, done = threading.Event(), []

    def progress(part: float) -> None:
        done.append(part)
        if len(done) == 3:
            stop.set()

    assert not export(stage, performance, Look((32, 32)), tmp_path / "out" / "x.mp4", stop, progress)
    assert len(done) == 3
    assert not list((tmp_path / "out").iterdir())


@pytest.fixture
def gui() -> Iterator[viser.GuiApi]:
    server = viser.ViserServer(host="127.0.0.1", port=0, verbose=False)
    yield server.gui
    server.stop()


def test_what_speech_is_made_with_has_renders_names_and_only_what_has_an_effect(gui: viser.GuiApi) -> None:
    spoken = SpokenControls(gui, 1.0, lambda: None)
    assert spoken.delivery == Delivery()
    options = RenderOptions()
    assert (spoken.delivery.temperature, spoken.delivery.seed) == (options.temperature, options.seed)
    assert spoken.delivery.post == PostProcess()
    voice = Voice(Path("generator"), Path("postnet"))
    spoken.speaks_with(voice)
    assert spoken._postnet.visible
    assert spoken.delivery.of(voice) == voice
    spoken._postnet.value = spoken._postprocess.value = False
    assert spoken.delivery.of(voice) == Voice(Path("generator"), None)
    assert not any((spoken.delivery.post.clamp, spoken.delivery.post.smoothing, spoken.delivery.post.blink))
    spoken.speaks_with(Voice(Path("generator")))
    assert not spoken._postnet.visible
    assert not spoken._again.visible
    spoken.performs(True)
    assert spoken._again.visible


def test_uploads_to_two_buttons_end_with_all_of_it_acknowledged() -> None:
    sent: list[viser._messages.FileTransferPartAck] = []

    def slow_to_begin(message: viser._messages.FileTransferPartAck) -> None:
        if message.transferred_bytes == 0:
            time.sleep(0.02)  # the other message of the same file is handled meanwhile
        sent.append(message)

    handlers: dict[type, list[Any]] = {}
    connection = SimpleNamespace(_incoming_handlers=handlers, queue_message=slow_to_begin)
    client = SimpleNamespace(gui=SimpleNamespace(_websock_interface=connection))
    buttons = [SimpleNamespace(_impl=SimpleNamespace(id=name)) for name in ("sound", "picture")]
    taken: list[tuple[str, str, bytes]] = []
    kinds = [
        (button, lambda name, content, kind=button._impl.id: taken.append((kind, name, content))) for button in buttons
    ]
    Uploads(client, kinds, 100, lambda why: pytest.fail(why))  # type: ignore[arg-type]
    (start,), (part,) = handlers[viser._messages.FileTransferStart], handlers[viser._messages.FileTransferPart]
    for count in range(10):
        for kind in ("sound", "picture", "another"):
            transfer = f"{kind}-{count}"
            begin = viser._messages.FileTransferStart(kind, transfer, "a.wav", "", 1, 5)
            content = viser._messages.FileTransferPart(kind, transfer, 0, b"12345")
            pair = [threading.Thread(target=start, args=(0, begin)), threading.Thread(target=part, args=(0, content))]
            for thread in pair:
                thread.start()
            for thread in pair:
                thread.join()
    assert sorted(kind for kind, *_ in taken) == ["picture"] * 10 + ["sound"] * 10
    last = {message.transfer_uuid: message for message in sent}
    assert len(last) == 20
    for name, message in last.items():
        assert (message.source_component_id, message.transferred_bytes) == (name.partition("-")[0], 5)


def test_a_player_ends_with_its_browser(tmp_path: Path) -> None:
    capture = load_capture(make_capture(tmp_path / "anna"))
    stage = Stage(capture, FakeRenderer(), threading.Lock(), lambda: None, tmp_path, tmp_path)  # type: ignore[arg-type, return-value]
    sent: list[object] = []
    client = SimpleNamespace(
        client_id=77,
        camera=SimpleNamespace(aspect=1.0),
        gui=SimpleNamespace(_websock_interface=SimpleNamespace(queue_message=sent.append)),
    )
    browser = SimpleNamespace(playing=False, position=lambda ahead: 0.1, report=None)
    player = Player(stage, client, browser, lambda error: None)  # type: ignore[arg-type]
    player.show(own_performance(capture, silence(tmp_path / "s.wav", 44 / 25)))
    until(lambda: player.ready == 1.0)  # while nothing plays, all pictures are made
    assert len(sent) == 2  # one picture, and its number
    player.close()
    until(lambda: not any("browser 77" in thread.name for thread in threading.enumerate()))
    assert player.ready == 0.0
