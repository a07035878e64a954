"""What is declared is what is imported, and the wheel works without the checkout.

By default the wheel's dependencies are borrowed from the environment that runs the tests: it is quick, and says nothing
of whether pip finds them. GENEFACE_WHEEL_TEST=full (`make wheel-test`) lets pip install them all anew.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("audio_motion", "geneface_ns", "method_configs")
FULL = os.environ.get("GENEFACE_WHEEL_TEST") == "full"


def canonical(name: str) -> str:
    """A distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(tree: ast.AST) -> Iterator[str]:
    """Top-level names of what a module imports from outside of our packages and the standard library."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            modules = [node.module]
        else:
            continue
        for module in modules:
            name = module.split(".")[0]
            if name not in sys.stdlib_module_names and name not in PACKAGES:
                yield name


@pytest.fixture(scope="module")
def providers() -> dict[str, set[str]]:
    """Of each third-party module that our packages import, at once or when needed: the distributions that have it."""
    sources = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    names = {name for path in sources for name in imported(ast.parse(path.read_text()))}
    known = packages_distributions()
    return {name: {canonical(distribution) for distribution in known.get(name, [])} for name in names}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib", reason="in Python from 3.11 on")
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def declared(project: dict[str, Any]) -> set[str]:
    """Canonical names of the distributions that users get, the extras included."""
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["whisper"], *extras["c2pa"]]
    return {canonical(re.match(r"[\w.-]+", line).group()) for line in lines}  # type: ignore[union-attr]


def test_everything_imported_is_declared(providers: dict[str, set[str]], declared: set[str]) -> None:
    assert not {name for name, distributions in providers.items() if not declared & distributions}


def test_everything_declared_is_imported(providers: dict[str, set[str]], declared: set[str]) -> None:
    assert not declared - set().union(*providers.values())


def test_the_three_opencv_are_of_one_version(project: dict[str, Any]) -> None:
    lines = [line for line in project["dependencies"] if line.startswith("opencv")]
    names, versions = zip(*(line.split("==") for line in lines), strict=True)
    assert {"opencv-python", "opencv-contrib-python", "opencv-python-headless"} == set(names)
    assert len(set(versions)) == 1
    assert f"opencv-python-headless=={versions[0]}\n" in (ROOT / "constraints.txt").read_text()


def test_opencv_without_libgl_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "geneface_ns.commands.cli", "process", "a.mp4", "a"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: OpenCV cannot be imported")
    assert "pip install --force-reinstall --no-deps opencv-python-headless==4" in line


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by pip from a copy of the sources: what earlier builds left in the checkout gets into no wheel."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in (*PACKAGES, "tests", "benchmarks"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", source, source)
    (path,) = source.glob("*.whl")
    return path


def test_what_is_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = {Path(name).parts[0] for name in names}
    assert {name for name in inside if not name.endswith(".dist-info")} == set(PACKAGES)
    tracked = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in {".py", ".safetensors", ".npz", ".flac", ".json"}
    }
    assert {f"audio_motion/weights/{name}.safetensors" for name in ("generator", "syncnet", "closure")} <= tracked
    assert not tracked - names
    assert wheel.stat().st_size < 14e6  # README.md: 12 MB


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The programs of a fresh environment outside of the checkout that has the wheel."""
    folder = tmp_path_factory.mktemp("environment")
    programs = folder / "bin"
    if FULL:
        run(sys.executable, "-m", "venv", folder)
        pip = (programs / "python", "-m", "pip", "install", "--quiet")
        run(*pip, "--constraint", ROOT / "constraints.txt", wheel)
    else:
        run(sys.executable, "-m", "venv", "--without-pip", folder)
        pip = (sys.executable, "-m", "pip", "--python", programs / "python", "install", "--quiet")
        run(*pip, "--no-deps", "--no-index", wheel)
        # A .pth adds the folder alone: what .pth files in there say, such as where this checkout is, is not followed.
        here = sysconfig.get_path("purelib")
        own = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        (own / "borrowed.pth").write_text(f"{here}\n")
    yield programs
    shutil.rmtree(folder)


def run(*command: object) -> str:
    """What a command prints; outside of the checkout, and without its path."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd="/", env=clean)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_commands_of_the_installed_wheel(environment: Path) -> None:
    where = run(environment / "python", "-c", "import geneface_ns, cv2; print(geneface_ns.__file__)")
    assert Path(where.strip()).is_relative_to(environment.parent)
    assert "talking video in" in run(environment / "geneface", "--help")
    assert "usage: geneface demo" in run(environment / "geneface", "demo", "--help")
    assert "predict" in run(environment / "audio-motion", "--help")


def test_nerfstudio_finds_the_installed_method(environment: Path) -> None:
    train = "from nerfstudio.scripts.train import entrypoint; entrypoint()"  # all that bin/ns-train does
    assert "--pipeline.model.sample-step" in run(environment / "python", "-c", train, "geneface", "--help")


def test_data_of_the_installed_wheel(environment: Path, tmp_path: Path) -> None:
    speak = (
        "import sys; from pathlib import Path; from geneface_ns.synthetic.clip import write_sound\n"
        "from geneface_ns.synthetic.speech import speech_names, speech_track\n"
        "from audio_motion.predict import Generator; from audio_motion.models.pretrained import PRETRAINED_GENERATOR\n"
        "write_sound(Path(sys.argv[1]), speech_track(speech_names('german'), 1).sound)\n"
        "print(len(Generator.load(PRETRAINED_GENERATOR).predict(Path(sys.argv[1]))))"
    )
    assert int(run(environment / "python", "-c", speak, tmp_path / "speech.wav")) > 100


@pytest.mark.skipif(not FULL, reason="takes minutes: make wheel-test")
def test_the_demo_starts(environment: Path, tmp_path: Path) -> None:
    demo = subprocess.Popen([environment / "geneface", "demo", "--output-dir", tmp_path], cwd="/")
    try:
        deadline = time.monotonic() + 300
        while not (tmp_path / "speech.wav").exists():  # of the second step; the first one's is clip.mp4
            assert demo.poll() is None
            assert time.monotonic() < deadline
            time.sleep(1)
        assert (tmp_path / "clip.mp4").exists()
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.wait(60)
