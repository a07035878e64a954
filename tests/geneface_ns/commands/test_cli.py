"""The real command line: what a mistake costs, and how fast help comes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from audio_motion.predict import TEMPERATURE
from audio_motion.sequence import LandmarkSequence, Producer
from audio_motion.topology import TEMPLATE
from geneface_ns.commands.cli import COMMANDS
from geneface_ns.commands.evaluate import EvaluateConfig
from geneface_ns.commands.render import RenderConfig
from geneface_ns.commands.talk import TalkConfig
from tests.geneface_ns.output.test_video import write_video, write_wav


def geneface(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "geneface_ns.commands.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def fails(*arguments: object) -> str:
    """The one line that a user's mistake gives."""
    done = geneface(*arguments)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def config(folder: Path, method: str = "geneface", checkpoint: bool = True) -> Path:
    """Looks like a training until it is loaded."""
    run = folder / "outputs" / "anna" / method / "run"
    (run / "nerfstudio_models").mkdir(parents=True)
    if checkpoint:
        (run / "nerfstudio_models" / "step-000000009.ckpt").touch()
    path = run / "config.yml"
    path.write_text(f"!!python/object:nerfstudio.engine.trainer.TrainerConfig\nmethod_name: {method}\n")
    return path


def test_overview() -> None:
    started = time.perf_counter()
    done = geneface("--help")
    assert time.perf_counter() - started < 1.5
    assert done.returncode == 0
    for name, command in COMMANDS.items():
        assert f"  {name}" in done.stdout
        assert command.help in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command(name: str) -> None:
    done = geneface(name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"usage: geneface {name}" in done.stdout


def test_unknown_commands_and_options() -> None:
    assert "no command 'sing'" in fails("sing")
    assert geneface().returncode == 2
    assert geneface("render", "--outputs", "x").returncode == 2


def test_render_says_what_is_wrong(tmp_path: Path) -> None:
    speech = write_wav(tmp_path / "grüße an alle.wav", 1.0, 16000)
    out = tmp_path / "out.mp4"
    good = config(tmp_path)

    def render(config: Path, *more: object, output: Path = out) -> str:
        return fails("render", "--load-config", config, "--output", output, *more)

    assert "nothing to say" in render(good)
    assert "'.gif'" in render(good, "--audio", speech, output=tmp_path / "out.gif")
    assert "absent.yml: no such file" in render(tmp_path / "absent.yml", "--audio", speech)
    assert "carries no alpha; name it .mov" in render(good, "--audio", speech, "--alpha")
    assert "gone.png: no such file" in render(good, "--audio", speech, "--background", tmp_path / "gone.png")
    both = ("--paste-back", speech, "--camera-path", tmp_path / "path.json")
    assert "--camera-path does not go with --paste-back" in render(good, "--audio", speech, *both)
    slower = ("--replay", "--head-motion", 0.5)
    assert "--head-motion does not go with --replay" in render(good, "--audio", speech, *slower)
    assert "'nerfacto'" in render(config(tmp_path / "b", "nerfacto"), "--audio", speech)
    assert "no checkpoint" in render(config(tmp_path / "c", checkpoint=False), "--audio", speech)
    assert "absent.wav: no such file" in render(good, "--audio", tmp_path / "absent.wav")
    write_video(tmp_path / "silent.mp4", 5, 25.0, None)
    assert "no sound track" in render(good, "--audio", tmp_path / "silent.mp4")
    assert "absent.npz: no such file" in render(good, "--motion", tmp_path / "absent.npz")
    motion = LandmarkSequence(
        landmarks=np.tile(TEMPLATE, (50, 1, 1)),
        fps=25.0,
        eye_openness=np.full((50, 2), 0.3, np.float32),
        valid=np.ones(50, bool),
        person="anna",
        producer=Producer("avatar", "made up"),
    )
    motion.save(tmp_path / "two seconds.npz")
    assert "2.00 s long" in render(good, "--motion", tmp_path / "two seconds.npz", "--audio", speech)
    assert not list(tmp_path.glob("*out.*"))


def test_evaluate_says_what_is_wrong(tmp_path: Path) -> None:
    assert "no such file" in fails("evaluate", "--load-config", tmp_path / "absent.yml")
    text = tmp_path / "config.yml"
    text.write_text("method_name: geneface\n")
    assert "not a nerfstudio config" in fails("evaluate", "--load-config", text)


def test_a_kill_ends_like_ctrl_c(tmp_path: Path) -> None:
    script = (
        "import sys, time; sys.argv = ['geneface', 'demo']\n"
        "import geneface_ns.commands.demo as demo\n"
        "def main(self):\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "demo.DemoConfig.main = main\n"
        "from geneface_ns.commands.cli import main\nmain()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said.startswith("interrupted")


def test_one_default_temperature(tmp_path: Path) -> None:
    # Written out in the configs so that their help needs no torch.
    assert RenderConfig().temperature == TEMPERATURE
    assert EvaluateConfig().temperature == TalkConfig(tmp_path, tmp_path).temperature == TEMPERATURE


EVERYTHING = """
import importlib, pkgutil
import audio_motion, geneface_ns
for package in (audio_motion, geneface_ns):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if "geneface_ns.plugin" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(len([name for name in __import__("sys").modules if name.startswith(("audio_motion", "geneface_ns"))]))
"""


def test_no_command_begins_with_other_peoples_warnings():
    done = subprocess.run([sys.executable, "-c", EVERYTHING], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100
    assert done.stderr == ""
