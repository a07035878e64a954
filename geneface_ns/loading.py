"""Loading what `ns-train geneface` left: the model, its capture and the config."""

from __future__ import annotations

import pickle
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audio_motion.errors import InputError
from geneface_ns.data.capture import Capture, load_capture

if TYPE_CHECKING:
    from nerfstudio.engine.trainer import TrainerConfig

    from geneface_ns.portrait import Portrait

METHOD = "geneface"


@dataclass(frozen=True)
class Trained:
    """A trained head and the person it shows."""

    portrait: Portrait
    capture: Capture
    step: int
    """Of the checkpoint."""


def check_config(path: Path) -> None:
    """Look at a training's `config.yml` without running anything in it.

    Raises:
        InputError: no such file, not a nerfstudio config, of another method, or without a checkpoint beside it.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read; give the config.yml that `ns-train geneface` wrote") from error
    method = re.search(r"^method_name: (\S+)$", text, re.MULTILINE)
    if not text.startswith("!!python/object:") or method is None:
        raise InputError(f"{path}: not a nerfstudio config; give the config.yml that `ns-train geneface` wrote")
    if method[1] != METHOD:
        raise InputError(f"{path}: is of method {method[1]!r}; give one that `ns-train {METHOD}` wrote")
    folder = path.parent / "nerfstudio_models"
    if not any(folder.glob("step-*.ckpt")):
        raise InputError(f"{folder}: holds no checkpoint; train until the first one is saved")


def load_trained(config_path: Path) -> Trained:
    """Load a training's newest checkpoint, wherever its folder and the current folder are.

    Raises:
        InputError: as `check_config`; or the checkpoint is damaged or of another model; or the capture is gone.
    """
    config_path = Path(config_path).resolve()
    check_config(config_path)
    from nerfstudio.utils.eval_utils import eval_setup

    def beside_config(config: TrainerConfig) -> TrainerConfig:
        # nerfstudio looks for checkpoints under output_dir relative to the current folder.
        config.output_dir = config_path.parents[3]
        if config.get_base_dir().resolve() != config_path.parent:
            raise InputError(
                f"{config_path}: has been moved out of its …/{config.experiment_name}/{METHOD}/{config.timestamp}/ "
                "folders; move it back"
            )
        return config

    try:
        _, pipeline, _, step = eval_setup(config_path, test_mode="inference", update_config_callback=beside_config)
    except (RuntimeError, KeyError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{config_path.parent}: its checkpoint cannot be loaded ({reason}); train again") from error
    return Trained(pipeline.model.portrait, load_capture(pipeline.datamanager.get_datapath()), step)  # type: ignore[arg-type]
