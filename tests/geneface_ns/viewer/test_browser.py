"""The viewer before a real browser: what is heard, what is seen, and what it survives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np
import pytest

from audio_motion.media import load_audio
from geneface_ns.output.video import VideoWriter
from geneface_ns.synthetic import speech_names, speech_track
from geneface_ns.synthetic.clip import Truth, write_sound
from tests.geneface_ns.viewer.bad import bad_files
from tests.geneface_ns.viewer.browsers import Server, Viewer, chromium, until
from tests.geneface_ns.viewer.tiny import FPS, FRAMES, SIZE, tiny_run

LONGEST = 12
"""Seconds that the server takes."""
SPOKEN = 2.4
"""Seconds of the speech."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Speech to upload, and a folder to choose from."""
    folder = tmp_path_factory.mktemp("Viewer und Töne")
    speech = speech_track(speech_names("unseen")[:1], 1).sound[: round(SPOKEN * 16000)]
    write_sound(folder / "speech.wav", speech)
    (folder / "sounds").mkdir()
    write_sound(folder / "sounds" / "choice.wav", speech[:16000])
    return folder


@pytest.fixture(scope="module")
def made(place: Path) -> tuple[Path, Truth]:
    return tiny_run(place)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def server(browser: object, place: Path, made: tuple[Path, Truth]) -> Iterator[Server]:
    served = Server(made[0], place, "--sounds", place / "sounds", "--most-seconds", LONGEST, "--most-megabytes", 3)
    yield served
    assert served.end() == 130
    assert "Traceback" not in served.log, served.log
    assert not list(served.files.iterdir()), "files are left"


@pytest.fixture(scope="module")
def viewer(browser: object, server: Server) -> Iterator[Viewer]:
    """The page that most tests share."""
    opened = Viewer(browser, server.address)  # type: ignore[arg-type]
    yield opened
    assert opened.errors == []


def openings(truth: Truth) -> np.ndarray:
    """How far the mouth is open in each frame."""
    landmarks = truth.sequence().landmarks
    return landmarks[:, 62, 1] - landmarks[:, 66, 1]


def test_it_opens_on_the_persons_own_video(viewer: Viewer) -> None:
    assert f"0:00.00 / 0:06.00 · frame 0 of {FRAMES}" in viewer.time_line()
    assert viewer.sound("duration") == pytest.approx(FRAMES / FPS, abs=0.01)
    assert viewer.picture().std() > 20, "nothing is seen"


def test_a_frame_is_that_frame_and_its_sound_is_at_its_time(viewer: Viewer) -> None:
    for index in (10, FRAMES - 1, 0, 41):
        viewer.fill("Frame", index)
        viewer.wait(lambda index=index: viewer.state()["shownFrame"] == index)
        assert index / FPS < viewer.sound("currentTime") < (index + 1) / FPS
        assert f"frame {index} of" in viewer.time_line()


def test_the_mouth_moves_and_nothing_else_does(viewer: Viewer, made: tuple[Path, Truth]) -> None:
    opening = openings(made[1])
    viewer.fold("How it is shown")
    viewer.choose("Head", "still")
    viewer.page.get_by_label("Blinks").click()
    shut, wide = viewer.frame(int(opening.argmin())), viewer.frame(int(opening.argmax()))
    change = np.abs(wide - shut).mean(axis=2)
    assert change.max() > 20, "the lips did not move"
    # The picture is 56 wide in the middle of 70 rows; the mouth lies below its middle.
    elsewhere = np.ones_like(change, bool)
    elsewhere[32:62, 16:40] = False
    assert change[elsewhere].max() < change.max() / 2, "something else moved as well"
    assert change[:12].max() < 8
    assert change[:, :8].max() < 8
    viewer.fill("Held as in frame", FRAMES // 2)
    viewer.frame(int(opening.argmax()))
    turned = viewer.frame(int(opening.argmin()))
    assert np.abs(turned - shut).max() > 20, "the head is held where it was"
    viewer.page.get_by_label("Blinks").click()
    viewer.choose("Head", "as filmed")
    viewer.fold("How it is shown")


def test_sound_and_lips_stay_together(viewer: Viewer) -> None:
    viewer.page.get_by_label("Loop").click()
    viewer.click("Play")
    viewer.wait(lambda: len(viewer.state()["drifts"]) > 20)
    assert not viewer.sound("paused")
    viewer.wait(lambda: median(map(abs, viewer.state()["drifts"])) < 0.08)
    assert "sound and lips at most" in viewer.time_line()
    viewer.wait(lambda: "% at hand" in viewer.pictures())
    viewer.click("Pause")
    viewer.wait(lambda: viewer.sound("paused"))
    viewer.page.get_by_label("Loop").click()


def test_uploaded_speech_moves_the_mouth(viewer: Viewer, place: Path) -> None:
    viewer.upload(place / "speech.wav")
    count = int(SPOKEN * FPS)
    viewer.wait(lambda: f"of {count}" in viewer.time_line() and viewer.state()["shownFrame"] == 0)
    assert viewer.sound("duration") == pytest.approx(SPOKEN, abs=0.01)
    viewer.click("Play")
    viewer.wait(lambda: viewer.sound("currentTime") > 0.5)
    viewer.wait(lambda: viewer.sound("ended") or viewer.sound("currentTime") > SPOKEN - 0.2)
    viewer.wait(lambda: viewer.sound("paused"))
    viewer.fold("How it is shown")
    viewer.choose("Head", "still")
    pictures = np.stack([viewer.frame(index) for index in range(2, count, 4)])
    viewer.choose("Head", "as filmed")
    viewer.fold("How it is shown")
    assert (pictures.max(axis=0) - pictures.min(axis=0))[28:62, 14:42].max() > 12


def test_what_is_seen_becomes_a_video_with_its_sound(viewer: Viewer, place: Path) -> None:
    viewer.fold("How it is shown")
    viewer.download("Export as video", place / "seen.mp4")
    viewer.fold("How it is shown")
    with av.open(str(place / "seen.mp4")) as video:
        pictures = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(pictures) == int(SPOKEN * FPS)
    assert pictures[0].shape == (SIZE, SIZE, 3)
    heard, said = load_audio(place / "seen.mp4"), load_audio(place / "speech.wav")
    count = min(len(heard), len(said))
    assert np.corrcoef(heard[:count], said[:count])[0, 1] > 0.95


def test_something_else_stands_behind_the_person(viewer: Viewer, place: Path) -> None:
    def share(colour: tuple[int, int, int]) -> float:
        return float((np.abs(viewer.picture() - colour).max(axis=2) < 40).mean())

    cv2.imwrite(str(place / "blue.png"), np.full((50, 90, 3), (230, 20, 20), np.uint8))
    viewer.fold("How it is shown")
    assert share((0, 177, 64)) == share((20, 20, 230)) == 0
    viewer.choose("Background", "colour")
    viewer.wait(lambda: share((0, 177, 64)) > 0.2, "the colour")
    assert share((0, 177, 64)) < 0.7, "the person is gone"
    viewer.upload(place / "blue.png", "Upload background picture")
    viewer.wait(lambda: share((20, 20, 230)) > 0.2, "the picture")
    assert viewer.chosen("Background") == "picture"
    viewer.upload(place / "speech.wav", "Upload background picture")
    viewer.wait(lambda: "no picture; give a PNG or JPEG" in viewer.text(), "the message")
    assert share((20, 20, 230)) > 0.2
    viewer.choose("Background", "as filmed")
    viewer.wait(lambda: share((20, 20, 230)) == 0, "the filmed one")
    viewer.fold("How it is shown")


def test_files_that_cannot_be_used_are_a_message(viewer: Viewer, server: Server, place: Path) -> None:
    silent = place / "silent.mp4"
    with VideoWriter(silent, (64, 64), 5.0) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8))
    files = {**bad_files(place / "bad", LONGEST), "silent.mp4": (silent, "no sound")}
    duration = viewer.sound("duration")
    for name, (path, said) in files.items():
        viewer.upload(path)
        viewer.wait(lambda said=said: said in viewer.text(), f"{name}: {said}")
        assert viewer.sound("duration") == duration, f"{name} was played"
    viewer.upload(place / "bad" / "large.wav")
    viewer.wait(lambda: "are too much; upload at most 3 MB" in viewer.text())
    assert viewer.page.locator("img[src=x]").count() == 0
    viewer.upload(place / "speech.wav")  # and lives on
    viewer.wait(lambda: viewer.state()["shownFrame"] == 0 and "are too much" not in viewer.text())
    assert "Traceback" not in server.log, server.log


def test_two_browsers_play_different_things_and_one_vanishes(browser: object, viewer: Viewer, server: Server) -> None:
    second = Viewer(browser, server.address)  # type: ignore[arg-type]
    assert len(server.sessions) == 2
    second.choose("Driven by", "choice.wav")
    second.wait(lambda: abs(second.sound("duration") - 1.0) < 0.01)
    assert viewer.sound("duration") == pytest.approx(SPOKEN, abs=0.01)
    second.page.get_by_label("Loop").click()
    second.click("Play")
    second.wait(lambda: second.sound("currentTime") > 0.1)
    assert viewer.sound("paused")
    assert viewer.state()["shownFrame"] == 0
    assert second.errors == []
    second.context.close()  # in the middle of playing
    until(lambda: len(server.sessions) == 1)
    viewer.frame(5)  # the other goes on


def test_a_reload_begins_anew(viewer: Viewer, server: Server) -> None:
    viewer.page.reload()
    viewer.ready()
    assert f"frame 0 of {FRAMES}" in viewer.time_line()
    viewer.frame(7)
    until(lambda: len(server.sessions) == 1)
