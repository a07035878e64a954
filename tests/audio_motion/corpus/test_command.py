"""The real command on Ray: killed, started again, and nothing that was finished is done twice."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from audio_motion.corpus.store import Store
from audio_motion.corpus.workers import each_clip
from audio_motion.data.corpus import load_corpus
from audio_motion.errors import InputError
from tests.audio_motion.corpus.conftest import Talker, write_video

CLIPS = 3


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
    first.kill()
    first.wait()
    assert not store.listing.exists()
    kept = len(store.finished()) + len(store.refused())

    second = subprocess.run(command, capture_output=True, text=True)
    said = second.stdout + second.stderr
    assert second.returncode == 0, said
    assert "Traceback" not in said
    assert "ray" not in said.lower()  # its own messages stay off the screen
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


def test_a_cluster_that_does_not_answer() -> None:
    with pytest.raises(InputError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 "):
        next(each_clip([], Path("out"), None, "127.0.0.1:1"))
