import os
import shutil
import subprocess
from pathlib import Path

import pytest

from geneface_ns.plugin.compat import offer_ffmpeg


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without the program, whose cache is the folder returned."""
    (tmp_path / "programs").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_ffmpeg_is_found_by_name_where_none_is_installed(bare: Path) -> None:
    assert shutil.which("ffmpeg") is None
    offer_ffmpeg()
    offer_ffmpeg()  # once more, in the next command
    found = shutil.which("ffmpeg")
    assert found is not None
    assert Path(found).is_relative_to(bare)
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("ffmpeg version")


def test_a_link_to_another_environment_is_replaced(bare: Path) -> None:
    link = bare / "geneface" / "bin" / "ffmpeg"
    link.parent.mkdir(parents=True)
    link.symlink_to(bare / "gone")
    offer_ffmpeg()
    assert shutil.which("ffmpeg") == str(link)


def test_the_machines_own_is_left_alone(bare: Path) -> None:
    own = Path(os.environ["PATH"]) / "ffmpeg"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    before = os.environ["PATH"]
    offer_ffmpeg()
    assert os.environ["PATH"] == before
    assert not bare.exists()


def test_a_cache_that_cannot_be_written_stops_nothing(bare: Path) -> None:
    bare.write_text("a file in the way")
    offer_ffmpeg()
    assert shutil.which("ffmpeg") is None
