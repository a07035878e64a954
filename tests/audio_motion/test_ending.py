"""However a command ends: at most one line, an exit code that says why, no traceback."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audio_motion.errors import one_line
from tests.audio_motion.data.captures import write_capture
from tests.audio_motion.synthetic_speech import talk, write_wav

LINUX = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into /proc")


def ends(code: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run code as a command."""
    script = f"from audio_motion.ending import ends_in_one_line\nwith ends_in_one_line():\n    {code}\n"
    return subprocess.run([sys.executable, "-c", script], text=True, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("code", "exit_code", "says"),
    [
        ("from audio_motion.errors import InputError; raise InputError('a\\nb')", 2, "error: a b"),
        ("open('/nowhere/at/all')", 2, "error: /nowhere/at/all: No such file or directory; give another file"),
        ("open('x' * 300)", 2, "File name too long; give another file"),
        ("raise OSError(28, 'No space left on device')", 2, "error: cannot write: No space left on device; free some"),
        ("bytearray(1 << 62)", 2, "error: this machine has not enough memory"),
        ("raise ImportError('libGL.so.1: cannot open')", 2, "error: OpenCV cannot be imported: this machine has no"),
        ("raise KeyboardInterrupt", 130, "interrupted; nothing half-written is left"),
        ("raise KeyboardInterrupt('stopped after 3')", 130, "stopped after 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 130, "interrupted"),
    ],
)
def test_what_ends_a_command_is_one_line(code: str, exit_code: int, says: str) -> None:
    done = ends(code)
    assert done.returncode == exit_code, done.stderr
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_fault_of_our_own_keeps_its_traceback() -> None:
    done = ends("{}['a']")
    assert done.returncode == 1
    assert "KeyError: 'a'" in done.stderr


def test_one_of_the_processes_that_train_together_speaks() -> None:
    done = ends("raise KeyboardInterrupt", env={**os.environ, "LOCAL_RANK": "1"})
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize("command", ["audio_motion.cli", "geneface_ns.commands.cli"])
def test_a_closed_pipe_ends_quietly(command: str) -> None:
    shell = f"{sys.executable} -m {command} --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.strip() in ("141", "0")  # 0: all was written before it was closed


def test_a_pipe_that_is_closed_in_the_middle() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = ends("print('x' * 100000)", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_output_to_a_full_disk() -> None:
    with open("/dev/full", "w") as full:
        done = ends("print('x')", stdout=full)
    assert (done.returncode, done.stderr) == (2, "error: cannot write: No space left on device; free some space\n")


def test_names_that_are_no_text(tmp_path: Path) -> None:
    done = ends("print(b'a\\xff'.decode(errors='surrogateescape'))", stdout=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, "")
    assert one_line("a\n\x1b[31mb\udcff  c") == "a \\x1b[31mb\\udcff c"
    assert one_line(ValueError()) == "ValueError"


IMPORTED = """
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
time.sleep(0.1)
open("imported", "w").close()
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer")
def test_an_import_is_not_interrupted(tmp_path: Path) -> None:
    """C++ that sets itself up would abort the process."""
    (tmp_path / "slow.py").write_text(IMPORTED)
    done = ends("import slow, time; time.sleep(10)", cwd=tmp_path, env={**os.environ, "PYTHONPATH": f"{Path.cwd()}:."})
    assert (done.returncode, done.stderr.count("\n")) == (130, 1), done.stderr
    assert done.stderr.startswith("interrupted")
    assert (tmp_path / "imported").exists()


@LINUX
@pytest.mark.parametrize(
    ("words", "spans"),
    [
        ("predict speech.wav out.npz", (0.2, 1.0, 2.0, 3.0)),
        ("train generator anna --output out.safetensors --size corpus", (3.0, 12.0)),
        ("evaluate --on anna --speech speech.wav", (6.0,)),
    ],
    ids=lambda value: value.split()[0] if isinstance(value, str) else "",
)
def test_ctrl_c_at_any_moment(words: str, spans: tuple[float, ...], tmp_path: Path) -> None:
    """While packages are imported, models loaded, motion made: wherever it comes."""
    write_wav(tmp_path / "speech.wav", talk(60.0)[0])
    write_capture(tmp_path / "anna", 12.0)
    command = [sys.executable, "-m", "audio_motion.cli", *words.split()]
    dice = random.Random(0)
    for span in spans:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while not _catches(process.pid, signal.SIGTERM):
            time.sleep(0.002)
        time.sleep(dice.uniform(0, span))
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
        if process.returncode == 0:
            continue  # it had ended
        assert process.returncode in (130, -signal.SIGINT), said  # shells call both 130
        assert said == "interrupted; nothing half-written is left, run it again to go on\n"
        assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]
        if words.startswith("predict"):
            assert sorted(os.listdir(tmp_path)) == ["anna", "speech.wav"]


def _catches(pid: int, number: int) -> bool:
    """Whether a process has a handler of its own for a signal."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)
