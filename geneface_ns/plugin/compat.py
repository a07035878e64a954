"""What nerfstudio 1.1.5 leaves to its surroundings: how its commands end, warn, serve and find ffmpeg."""

from __future__ import annotations

import argparse
import atexit
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import TracebackType

from nerfstudio.configs.base_config import ViewerConfig
from nerfstudio.utils import install_checks

from audio_motion.errors import InputError, fail
from geneface_ns.trained.checkpoint import find_run


@cache
def settle() -> None:
    """What holds for every nerfstudio command from the moment that the plugin is discovered. Writes nothing."""
    silence_host_warnings()
    end_on_input_error()
    offer_ffmpeg_when_asked()


def silence_host_warnings() -> None:
    """Hide what nerfstudio's use of torch makes torch say in every command. Nobody but nerfstudio could act on it."""
    for category, message in (
        # nerfstudio's activations and trainer use names that torch has moved.
        (FutureWarning, r"`torch\.cuda\.amp\.(custom_fwd|custom_bwd|GradScaler)\(args\.\.\.\)` is deprecated"),
        # It steps the schedulers of idle optimisers too; ours count the run's steps, and half of them wait for a stage.
        (UserWarning, r"Detected call of `lr_scheduler\.step\(\)` before `optimizer\.step\(\)`"),
        # It logs the losses themselves as numbers.
        (UserWarning, r"Converting a tensor with requires_grad=True to a scalar"),
    ):
        warnings.filterwarnings("ignore", message, category)


def end_on_input_error() -> None:
    """End every nerfstudio command with one line and exit code 2 where a user's mistake ends it."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, InputError):
            fail(error)  # the interpreter takes a SystemExit out of this hook as its own
        before(kind, error, trace)

    sys.excepthook = hook


def offer_ffmpeg_when_asked() -> None:
    """Let nerfstudio's commands that need an ffmpeg program find imageio-ffmpeg's where none is installed.

    They look for it first, and call it later by its name: through a shell, and through mediapy.
    """
    check = install_checks.check_ffmpeg_installed

    def offer_and_check() -> None:
        offer_ffmpeg()
        check()

    install_checks.check_ffmpeg_installed = offer_and_check


def offer_ffmpeg() -> None:
    """Put imageio-ffmpeg's program on the PATH of this process where there is no ffmpeg.

    The wheel's has another name: a link to it lies in a temporary folder until the process ends. Where the wheel has
    none for this machine, or no link can be made, nothing is done, and nerfstudio says itself what it misses.
    """
    if shutil.which("ffmpeg") is not None:
        return
    import imageio_ffmpeg

    try:
        program = Path(imageio_ffmpeg.get_ffmpeg_exe()).absolute()
        folder = tempfile.TemporaryDirectory(prefix="geneface-ffmpeg-")
        atexit.register(folder.cleanup)
        Path(folder.name, "ffmpeg.exe" if os.name == "nt" else "ffmpeg").symlink_to(program)
    except (OSError, RuntimeError):
        return
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), folder.name])


def give_ns_viewer(viewer: ViewerConfig, arguments: Sequence[str]) -> None:
    """Let `ns-viewer` show a run of this method with the method's own options of the viewer, unless it is told others.

    It takes nerfstudio's defaults and not the run's: they open the viewer to every network the machine is in. It reads
    them off ViewerConfig after it has loaded the plugins. Other methods' runs are left as they are.

    Args:
        arguments: of the command.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--load-config", "--load_config", nargs="?", type=Path)
    config = parser.parse_known_args(arguments)[0].load_config
    if config is None:
        return
    try:
        find_run(config)
    except InputError:
        return  # not of this method, or the command says itself what is wrong
    for option in fields(ViewerConfig):
        option.default = getattr(viewer, option.name)
