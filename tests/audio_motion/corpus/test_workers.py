"""The ways to work on many clips: both make the same, and neither is stopped by what dies."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio_motion.corpus import workers
from audio_motion.corpus.clip import ClipWork
from audio_motion.corpus.config import Gate
from audio_motion.corpus.find import Source
from audio_motion.corpus.store import Store
from audio_motion.data.shard_file import Shard
from audio_motion.errors import InputError
from audio_motion.lag import Lag
from audio_motion.parallel import child, on_ray, processes
from audio_motion.sequence import LandmarkSequence
from tests.audio_motion.corpus.conftest import Talker
from tests.audio_motion.corpus.listening import descendants, listening
from tests.local_ray import local_ray

LINUX = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="looks into /proc")


def on_time(samples: np.ndarray, sequence: LandmarkSequence) -> Lag:
    return Lag(0.0, 0.0)


def dies(samples: np.ndarray, sequence: LandmarkSequence) -> Lag:
    """As a decoder does that reads where nothing is."""
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def clip(video: Path, name: str, **options: object) -> ClipWork:
    work = ClipWork(Source(name, video, None), hashlib.sha256(name.encode()).hexdigest()[:32], Gate(), 0.5, on_time)
    return replace(work, **options)  # type: ignore[arg-type]


def broken(tmp_path: Path, count: int) -> list[ClipWork]:
    """Clips that are refused at once."""
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    return [clip(tmp_path / "broken.mp4", f"{index}.mp4") for index in range(count)]


@pytest.fixture
def cluster() -> Iterator[str]:
    with local_ray() as address:
        yield address


def test_both_ways_make_the_same(cluster: str, talker: Talker, tmp_path: Path) -> None:
    todo = [
        clip(talker.path, "deadly.mp4", estimate_lag=dies),
        clip(talker.path, "good.mp4"),
        *broken(tmp_path, 1),
    ]
    made = []
    for address in (None, cluster):
        output = tmp_path / ("alone" if address is None else "cluster")
        ends = {outcome.name: outcome for outcome in workers.each_clip(todo, output, 2, address)}
        assert {name: outcome.end for name, outcome in ends.items()} == {
            "deadly.mp4": "failed",
            "good.mp4": "done",
            "0.mp4": "refused",
        }
        assert ends["good.mp4"].seconds > 2.5
        assert ends["deadly.mp4"].reason.startswith("its worker died")
        (path,) = Store(output).finished().values()
        made.append(Shard(path).clip(path.stem))
    assert made[0].record == made[1].record
    np.testing.assert_array_equal(made[0].landmarks, made[1].landmarks)
    np.testing.assert_array_equal(made[0].sound, made[1].sound)


@LINUX
def test_nobody_listens_while_this_machine_works(tmp_path: Path) -> None:
    for _ in workers.each_clip(broken(tmp_path, 4), tmp_path / "out", 2, None):
        assert descendants(os.getpid())
        assert not listening(os.getpid())


@LINUX
def test_workers_end_with_the_iterator(tmp_path: Path) -> None:
    outcomes = workers.each_clip(broken(tmp_path, 5), tmp_path / "out", 2, None)
    next(outcomes)
    assert len(descendants(os.getpid())) == 2
    outcomes.close()
    assert not descendants(os.getpid())


def test_workers_are_started_afresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "CALLS", 2)
    started = []

    def start(*arguments: object) -> child.Child:
        started.append(child.start(*arguments))  # type: ignore[arg-type]
        return started[-1]

    monkeypatch.setattr(processes, "start", start)
    outcomes = list(workers.each_clip(broken(tmp_path, 4), tmp_path / "out", 1, None))
    assert [outcome.name for outcome in outcomes] == ["0.mp4", "1.mp4", "2.mp4", "3.mp4"]
    assert len(started) == 2


def test_a_cluster_that_does_not_answer() -> None:
    with pytest.raises(InputError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 "):
        next(workers.each_clip([], Path("out"), None, "127.0.0.1:1"))


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"--ray-address auto: Ray is not installed; run pip install 'ray>=2\.52'"):
        next(workers.each_clip([], Path("out"), None, "auto"))


def test_one_machine_needs_no_ray() -> None:
    with pytest.raises(InputError, match="leave it out"):
        next(workers.each_clip([], Path("out"), None, "local"))


def test_a_cluster_that_is_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "START_SECONDS", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match=rf"Ray at {address} cannot be used \(no answer in 3 s\); `ray status`"):
            next(workers.each_clip([], Path("out"), None, address))
