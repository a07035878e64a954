"""The real command: interrupted or killed, started again, and nothing that was finished is done twice."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from audio_motion.corpus.store import Store
from audio_motion.data.corpus import load_corpus
from tests.audio_motion.corpus.conftest import Talker, write_video
from tests.audio_motion.corpus.listening import descendants

CLIPS = 3
LINUX = Path("/proc/self/stat").exists()


def test_killed_and_started_again(talker: Talker, tmp_path: Path) -> None:
    videos, out = tmp_path / "vidéos", tmp_path / "out"
    for index in range(CLIPS):
        (videos / f"speaker {index}").mkdir(parents=True)
        shutil.copy(talker.path, videos / f"speaker {index}" / "1.mp4")
    write_video(videos / "nobody" / "1.mp4", np.full_like(talker.frames, 128), talker.samples)
    command = [sys.executable, "-m", "audio_motion.cli", "corpus", str(videos), str(out)]
    command += ["--workers", "1", "--speakers", "folder", "--held-out", "0.4"]

    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    store = Store(out)
    while not store.finished():
        assert first.poll() is None, "the command ended before it could be killed"
        time.sleep(0.02)
    workers = descendants(first.pid) if LINUX else {}
    first.kill()
    first.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        time.sleep(0.02)  # they notice that they are alone
    assert not store.listing.exists()
    kept = len(store.finished()) + len(store.refused())

    second = subprocess.run(command, capture_output=True, text=True)
    said = second.stdout + second.stderr
    assert second.returncode == 0, said
    assert "Traceback" not in said
    assert "ray" not in said.lower()
    before, done, refused = (
        sum(map(int, re.findall(rf"(\d+) {what}", said)))
        for what in ("of 4 clips were done before", "done[, ]", "refused")
    )
    assert before >= kept  # a worker may have ended its clip before it saw that the command was gone
    assert before + done + refused == CLIPS + 1
    corpus = load_corpus(out)
    assert sorted({clip.speaker for clip in corpus}) == [f"speaker {index}" for index in range(CLIPS)]
    assert {entry.split for entry in corpus.entries} == {"train", "held-out"}
    assert all(len(clip.samples) == round(clip.sequence.duration * 16000) for clip in corpus)

    third = subprocess.run(command, capture_output=True, text=True)
    assert third.returncode == 0
    assert "4 of 4 clips were done before" in third.stdout + third.stderr


@pytest.mark.skipif(not LINUX, reason="looks into /proc")
def test_ctrl_c_while_workers_work(talker: Talker, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for index in range(CLIPS):
        shutil.copy(talker.path, tmp_path / "videos" / f"{index}.mp4")
    command = [sys.executable, "-m", "audio_motion.cli", "corpus", "videos", "out", "--workers", "1"]
    process = subprocess.Popen(
        [*command, "--speakers", "clip"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    store = Store(tmp_path / "out")
    while not store.finished():
        assert process.poll() is None, "the command ended before it could be interrupted"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all of its processes get it
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert re.fullmatch(r"stopped after [1-3] of 3 clips; the same command goes on from there\n", said), said
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # nobody is left of them
