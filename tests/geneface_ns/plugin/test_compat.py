"""What the plugin does to nerfstudio's commands, in processes of its own where the process is what is tested."""

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import tyro
from nerfstudio.configs.base_config import ViewerConfig

from geneface_ns.plugin import compat

PYTHON = shutil.which(sys.executable) or sys.executable


def python(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
    """Run a program as a nerfstudio command would be: a fresh interpreter, warnings as Python shows them."""
    return subprocess.run(
        [PYTHON, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **environment},
    )


def test_an_input_error_ends_the_process_with_one_line():
    done = python(
        "from geneface_ns.plugin.compat import end_on_input_error\n"
        "from audio_motion.errors import InputError\n"
        "end_on_input_error()\n"
        "raise InputError('a.wav: too short; give a longer one')"
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "error: a.wav: too short; give a longer one"
    assert "Traceback" not in done.stderr


def test_other_errors_keep_their_traceback():
    done = python(
        "from geneface_ns.plugin.compat import end_on_input_error\nend_on_input_error()\nraise KeyError('a bug')"
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "KeyError: 'a bug'" in done.stderr


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without the program; the folder returned is the only one on its PATH."""
    (tmp_path / "programs").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    return tmp_path / "programs"


FIND = (
    "import shutil, subprocess, sys\n"
    "from nerfstudio.utils import install_checks\n"
    "import method_configs.geneface\n"
    "assert shutil.which('ffmpeg') is None, 'put there before a command asked'\n"
    "install_checks.check_ffmpeg_installed()\n"
    "install_checks.check_ffmpeg_installed()\n"
    "print(shutil.which('ffmpeg'))\n"
    "print(subprocess.run('ffmpeg -version', shell=True, capture_output=True, text=True, check=True).stdout)\n"
)


def test_an_ffmpeg_is_found_by_name_where_none_is_installed_and_nothing_is_left(bare: Path, tmp_path: Path):
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    # The home folder is what matplotlib and numba write their caches to: theirs go elsewhere.
    caches = {"MPLCONFIGDIR": str(tmp_path / "mpl"), "NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    done = python(FIND, HOME=str(home), XDG_CACHE_HOME=str(home / "cache"), TMPDIR=str(temporary), **caches)
    assert done.returncode == 0, done.stderr[-2000:]
    found, version = done.stdout.splitlines()[:2]
    assert Path(found).is_relative_to(temporary)
    assert version.startswith("ffmpeg version")
    assert not list(temporary.glob("geneface*")), "still there after the process"
    assert not list(home.rglob("*geneface*"))


def test_the_machines_own_ffmpeg_is_left_alone(bare: Path):
    own = bare / "ffmpeg"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    compat.offer_ffmpeg()
    assert os.environ["PATH"] == str(bare)


def test_a_machine_that_ffmpeg_is_not_made_for_hears_it_from_nerfstudio(bare: Path, monkeypatch: pytest.MonkeyPatch):
    import imageio_ffmpeg

    def none_here() -> str:
        raise RuntimeError("No ffmpeg exe could be found")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", none_here)
    compat.offer_ffmpeg()
    assert shutil.which("ffmpeg") is None


def test_a_plugin_that_cannot_be_imported_takes_no_other_method_down():
    done = python(
        "import sys\n"
        "sys.modules['geneface_ns.nerf.portrait'] = None\n"  # importing it raises ImportError
        "from nerfstudio.configs.method_configs import all_methods\n"
        "print('geneface' in all_methods, 'nerfacto' in all_methods)",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "False True"
    lines = [line for line in done.stderr.splitlines() if "warning: geneface is not available" in line]
    assert len(lines) == 1
    assert "geneface_ns.nerf.portrait" in lines[0]


def run_of(method: str, folder: Path) -> Path:
    """What tells whose run a folder is."""
    (folder / "nerfstudio_models").mkdir(parents=True)
    (folder / "nerfstudio_models" / "step-000000001.ckpt").touch()
    (folder / "config.yml").write_text(f"!!python/object:x.Config\nmethod_name: {method}\n")
    return folder / "config.yml"


@pytest.fixture
def nerfstudios_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for option in ViewerConfig.__dataclass_fields__.values():
        monkeypatch.setattr(option, "default", getattr(ViewerConfig, option.name))


@pytest.mark.usefixtures("nerfstudios_defaults")
@pytest.mark.parametrize(
    ("method", "spelling", "more", "host"),
    [
        ("geneface", "--load-config", (), "127.0.0.1"),
        ("geneface", "--load_config", (), "127.0.0.1"),
        ("geneface", "--load-config", ("--viewer.websocket-host", "0.0.0.0"), "0.0.0.0"),
        ("nerfacto", "--load-config", (), "0.0.0.0"),
    ],
)
def test_ns_viewer_serves_a_run_of_geneface_to_this_machine(
    tmp_path: Path, method: str, spelling: str, more: tuple[str, ...], host: str
):
    arguments = [spelling, str(run_of(method, tmp_path)), *more]
    own = ViewerConfig(websocket_host="127.0.0.1", default_composite_depth=False)
    compat.give_ns_viewer(own, arguments)
    # nerfstudio defines its options after it has loaded the plugins.
    sys.modules.pop("nerfstudio.scripts.viewer.run_viewer", None)
    from nerfstudio.scripts.viewer.run_viewer import RunViewer

    taken = tyro.cli(tyro.conf.FlagConversionOff[RunViewer], args=arguments).viewer.as_viewer_config()
    assert taken.websocket_host == host
    assert taken.default_composite_depth == (method != "geneface")


@pytest.mark.usefixtures("nerfstudios_defaults")
def test_ns_viewer_without_a_run_says_itself_what_it_misses(tmp_path: Path):
    for arguments in ([], ["--load-config"], ["--load-config", str(tmp_path / "none.yml")]):
        compat.give_ns_viewer(ViewerConfig(websocket_host="127.0.0.1"), arguments)
        assert ViewerConfig.__dataclass_fields__["websocket_host"].default == "0.0.0.0"


def test_only_the_hosts_warnings_are_hidden():
    with warnings.catch_warnings(record=True) as shown:
        warnings.resetwarnings()
        compat.silence_host_warnings()
        warnings.warn(
            "`torch.cuda.amp.custom_fwd(args...)` is deprecated. Please use another", FutureWarning, stacklevel=1
        )
        warnings.warn("Detected call of `lr_scheduler.step()` before `optimizer.step()`. In", UserWarning, stacklevel=1)
        assert not shown
        warnings.warn("`torch.load` is deprecated", FutureWarning, stacklevel=1)
        warnings.warn("the learning rate is too high", UserWarning, stacklevel=1)
        assert len(shown) == 2
