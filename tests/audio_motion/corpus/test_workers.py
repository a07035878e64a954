"""The ways to work on many clips: both make the same, and neither is stopped by what dies.

GENEFACE_RAY_STARTS sets how often Ray is started on a busy machine (0).
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio_motion.corpus import child, on_ray, processes, workers
from audio_motion.corpus.clip import ClipWork
from audio_motion.corpus.config import Gate
from audio_motion.corpus.find import Source
from audio_motion.corpus.outcome import Outcome
from audio_motion.corpus.store import Store
from audio_motion.data.shard_file import Shard
from audio_motion.errors import InputError
from audio_motion.sequence import LandmarkSequence
from audio_motion.sync import Lag
from tests.audio_motion.corpus.conftest import Talker
from tests.audio_motion.corpus.listening import LOCAL, descendants, listening

STARTS = int(os.environ.get("GENEFACE_RAY_STARTS", "0"))
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


@LINUX
def test_both_ways_make_the_same_and_listen_to_nobody_else(talker: Talker, tmp_path: Path) -> None:
    todo = [
        clip(talker.path, "deadly.mp4", estimate_lag=dies),
        clip(talker.path, "good.mp4"),
        *broken(tmp_path, 1),
    ]
    made = {}
    for way, address in (("processes", None), ("ray", "local")):
        output, ends, said = tmp_path / way, {}, []
        with closing(workers.each_clip(todo, output, 2, address, said.append)) as outcomes:
            for outcome in outcomes:
                ends[outcome.name] = outcome
                listens = listening(os.getpid())
                assert {where for where, _, _ in listens} <= set(LOCAL), listens
                assert bool(listens) == (way == "ray" and not said), listens
        if said:  # as it may on a busy machine
            pytest.skip(said[0])
        assert {name: outcome.end for name, outcome in ends.items()} == {
            "deadly.mp4": "failed",
            "good.mp4": "done",
            "0.mp4": "refused",
        }
        assert ends["good.mp4"].seconds > 2.5
        assert ends["deadly.mp4"].reason.startswith("its worker died")
        (path,) = Store(output).finished().values()
        made[way] = Shard(path).clip(path.stem)
    assert made["processes"].record == made["ray"].record
    np.testing.assert_array_equal(made["processes"].landmarks, made["ray"].landmarks)
    np.testing.assert_array_equal(made["processes"].sound, made["ray"].sound)


@LINUX
def test_workers_end_with_the_iterator(tmp_path: Path) -> None:
    outcomes = processes.in_processes(broken(tmp_path, 5), tmp_path / "out", 2)
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
    outcomes = list(processes.in_processes(broken(tmp_path, 4), tmp_path / "out", 1))
    assert [outcome.name for outcome in outcomes] == ["0.mp4", "1.mp4", "2.mp4", "3.mp4"]
    assert len(started) == 2


def test_where_ray_does_not_start_the_work_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_gcs_server_port_wait_time_s", "0")  # no machine is fast enough
    said: list[str] = []
    outcomes = list(workers.each_clip(broken(tmp_path, 3), tmp_path / "out", 1, "local", said.append))
    assert sorted(outcome.name for outcome in outcomes) == ["0.mp4", "1.mp4", "2.mp4"]
    (line,) = said
    assert line.startswith("Ray cannot be used (")
    assert line.endswith(": worked on without it")
    assert "\n" not in line


@pytest.mark.skipif(STARTS == 0, reason="GENEFACE_RAY_STARTS says how often Ray is started on a busy machine")
def test_a_busy_machine(tmp_path: Path) -> None:
    """Beside twice as many busy processes as there are cores Ray works, or is done without."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * processes.cores())]
    try:
        for number in range(STARTS):
            began, said = time.monotonic(), []
            todo = broken(tmp_path, 3)
            outcomes = list(workers.each_clip(todo, tmp_path / str(number), 2, "local", said.append))
            print(f"start {number}: {time.monotonic() - began:.0f} s", *said, flush=True)
            assert sorted((outcome.name, outcome.end) for outcome in outcomes) == [
                (work.source.name, "refused") for work in todo
            ]
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_where_ray_ends_in_the_middle_the_rest_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def one(todo: list[ClipWork], *_: object) -> Iterator[Outcome]:
        yield Outcome(todo[0].source.name, "done")
        raise on_ray.RayDied("has ended (SIGKILL)")

    monkeypatch.setattr(workers, "on_ray", one)
    said: list[str] = []
    monkeypatch.setattr(workers, "MANY", 3)
    monkeypatch.setattr(workers, "cores", lambda: 2)
    outcomes = workers.each_clip(broken(tmp_path, 3), tmp_path / "out", None, None, said.append)
    assert [(outcome.name, outcome.end) for outcome in outcomes] == [
        ("0.mp4", "done"),
        ("1.mp4", "refused"),
        ("2.mp4", "refused"),
    ]
    assert said == ["Ray has ended (SIGKILL): worked on without it"]
    with pytest.raises(InputError, match=r"Ray at auto has ended \(SIGKILL\); `ray status`"):
        list(workers.each_clip(broken(tmp_path, 3), tmp_path / "out", None, "auto", said.append))


def test_a_cluster_that_does_not_answer() -> None:
    with pytest.raises(InputError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 "):
        next(workers.each_clip([], Path("out"), None, "127.0.0.1:1", print))


def test_a_cluster_that_is_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "START_SECONDS", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match=rf"Ray at {address} cannot be used \(no answer in 3 s\); `ray status`"):
            next(workers.each_clip([], Path("out"), None, address, print))
