"""One `ns-train`, two stages: how the run's length is shared, and runs that lose nothing."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter

import yaml
from nerfstudio.engine.trainer import TRAIN_INTERATION_OUTPUT, Trainer, TrainerConfig
from nerfstudio.utils.rich_utils import CONSOLE
from tyro.conf import Suppress

from audio_motion.errors import InputError
from audio_motion.files import held_alone, written_whole
from geneface_ns.nerf.threads import ThreadChoice
from geneface_ns.plugin.dataparser import GeneFaceDataParserConfig
from geneface_ns.plugin.turns import TurnLock
from geneface_ns.scene.stages import HEAD_SHARE, need_finite_weights, stage_span
from geneface_ns.trained import checkpoint
from geneface_ns.trained.methods import Method, method_of


@dataclass
class GeneFaceTrainerConfig(TrainerConfig):
    """nerfstudio's trainer, with the run's length shared between the two stages."""

    _target: type = field(default_factory=lambda: GeneFaceTrainer)
    """target class to instantiate"""
    head_fraction: float = HEAD_SHARE
    """Part of the iterations that train the head; the rest trains the torso with the head frozen."""
    prompt: Suppress[str | None] = None
    relative_model_dir: Suppress[Path] = Path(checkpoint.FOLDER)

    def __post_init__(self) -> None:
        head_steps = round(self.max_num_iterations * self.head_fraction)
        # The pipeline's config is typed by nerfstudio's base classes, which know nothing of stages.
        self.pipeline.model.head_steps = head_steps  # type: ignore[attr-defined]
        self.pipeline.datamanager.head_steps = head_steps  # type: ignore[attr-defined]
        for name, group in self.optimizers.items():
            group["scheduler"].start_step, group["scheduler"].end_step = stage_span(
                name, head_steps, self.max_num_iterations
            )

    @property
    def method(self) -> Method:
        """What is trained."""
        return method_of(self.pipeline.model)

    def save_config(self) -> None:
        """Look at the run to go on with. ns-train calls this before anything is made or written, and config.yml waits
        until the checkpoint is found to fit (`write_config`), so that a refused run changes nothing.

        Raises:
            InputError: the capture, or the checkpoint that is asked for, cannot be used.
            SystemExit: the run has all its steps; nothing is touched.
        """
        self._check_machine()
        self._make_paths_absolute()
        found = self.resumed_from()
        if found is not None and checkpoint.step_of(found) + 1 >= self.max_num_iterations:
            CONSOLE.print(
                f"{found.parent.parent} is finished: all {checkpoint.step_of(found) + 1} steps are done. "
                "Ask for more with --max-num-iterations.",
                soft_wrap=True,
            )
            raise SystemExit(0)
        self._check_capture()

    def _check_machine(self) -> None:
        machine, name = self.machine, self.method.name
        if not self.method.on_cuda and (machine.device_type != "cpu" or machine.num_devices * machine.num_machines > 1):
            raise InputError(
                f"{name} trains on the CPU, in one process; use --machine.device-type cpu --machine.num-devices 1"
            )

    def _check_capture(self) -> None:
        datamanager = self.pipeline.datamanager
        dataparser = datamanager.dataparser  # type: ignore[attr-defined]
        if not isinstance(dataparser, GeneFaceDataParserConfig):
            name = self.method.name
            raise InputError(f"{name} trains on captures only; use `ns-train {name} --data CAPTURE_DIRECTORY`")
        replace(dataparser, data=datamanager.data or dataparser.data).load()

    def _make_paths_absolute(self) -> None:
        """So that nerfstudio's commands find the run's folder and its capture from any current folder."""
        self.output_dir = self.output_dir.resolve()
        manager = self.pipeline.datamanager
        for config in (self, manager, manager.dataparser):  # type: ignore[attr-defined]
            if config.data is not None:
                config.data = Path(config.data).resolve()

    def write_config(self) -> None:
        """Write config.yml. The run stands for itself there: how it was begun would send nerfstudio's commands, and a
        second --load-config, back to an earlier checkpoint.

        Raises:
            InputError: it cannot be written.
        """
        config = copy.copy(self)
        config.load_dir = config.load_step = config.load_checkpoint = config.load_config = None
        with written_whole(self.get_base_dir() / "config.yml") as temporary:
            temporary.write_text(yaml.dump(config), "utf8")

    def resumed_from(self) -> Path | None:
        """The checkpoint that this run goes on from: the furthest that can be read of those in its own folder and
        those it was told to load; None for a new run.

        Raises:
            InputError: what it was told to load is not there, or nothing can be read.
        """
        own = checkpoint.checkpoints(self.get_checkpoint_dir())
        told = self._told_to_load()
        if not own and not told:
            return None
        path, _ = checkpoint.newest([*own, *told], self.method.name)
        if told and path.resolve() not in [other.resolve() for other in told]:
            CONSOLE.print(f"Going on from {path}: the run itself is further than what it was told to load.")
        return path

    def _told_to_load(self) -> list[Path]:
        if self.load_checkpoint is not None:
            paths = [Path(self.load_checkpoint)]
        elif self.load_dir is None:
            return []
        elif self.load_step is not None:
            paths = [Path(self.load_dir) / f"step-{self.load_step:09d}.ckpt"]
        else:
            paths = checkpoint.checkpoints(Path(self.load_dir))
        for path in paths or [Path(self.load_dir or ".", "step-*.ckpt")]:
            if not path.is_file():
                raise InputError(f"{path}: no such checkpoint; give a run's {checkpoint.FOLDER} with --load-dir")
        return paths


class GeneFaceTrainer(Trainer):
    """Trainer whose checkpoints are whole and tied to their capture, and whose resumed run ends where the first would
    have: nerfstudio 1.1.5 trains max_num_iterations more."""

    config: GeneFaceTrainerConfig

    def __init__(self, config: TrainerConfig, local_rank: int = 0, world_size: int = 1) -> None:
        super().__init__(config, local_rank, world_size)
        self.train_lock = TurnLock()  # type: ignore[assignment]
        self._threads = ThreadChoice()
        self._trained: int | None = None
        """The last step that was trained here."""

    def setup(self, *args, **kwargs) -> None:
        if self.local_rank != 0:
            super().setup(*args, **kwargs)
            return
        # nerfstudio's viewer wants the run's folder to be there; it goes again if the checkpoint is refused.
        with held_alone(self.base_dir, "ns-train"):
            super().setup(*args, **kwargs)
            self.config.write_config()

    def _load_checkpoint(self) -> None:
        found = self.config.resumed_from()
        if found is not None:
            self.config.load_dir, self.config.load_checkpoint = None, found
        super()._load_checkpoint()

    def train_iteration(self, step: int) -> TRAIN_INTERATION_OUTPUT:
        begin = perf_counter()
        with self.pipeline.model.working(step):  # type: ignore[operator]
            outputs = super().train_iteration(step)
        self._trained = step
        if self.device == "cpu":
            self._threads.step(perf_counter() - begin)
        return outputs

    def train(self) -> None:
        whole = self.config.max_num_iterations
        self.config.max_num_iterations = whole - self._start_step
        try:
            if self.local_rank != 0:
                super().train()
                return
            with held_alone(self.base_dir, "ns-train"):
                super().train()
        finally:
            self.config.max_num_iterations = whole

    def save_checkpoint(self, step: int) -> None:
        """Write nerfstudio's checkpoint with what it says of itself, whole or not at all; then drop older ones.

        Raises:
            NotFinite: the last step's gradients have spoiled the weights. Nothing is written, and nothing dropped.
        """
        if self.local_rank != 0 or self._trained is None:
            return
        step = min(step, self._trained)  # stopped in the viewer, nerfstudio names the step that was to come
        pipeline = getattr(self.pipeline, "module", self.pipeline)
        need_finite_weights(pipeline, step)
        metadata = self.pipeline.datamanager.train_dataset.metadata  # type: ignore[union-attr]
        described = checkpoint.described(metadata["capture"], metadata["downscale"], self.config.pipeline.model)
        path = self.checkpoint_dir / f"step-{step:09d}.ckpt"
        checkpoint.write(
            path,
            {
                "step": step,
                "pipeline": pipeline.state_dict(),
                "optimizers": {name: value.state_dict() for name, value in self.optimizers.optimizers.items()},
                "schedulers": {name: value.state_dict() for name, value in self.optimizers.schedulers.items()},
                "scalers": self.grad_scaler.state_dict(),
                **described,
            },
        )
        if self.config.save_only_latest_checkpoint:
            for older in checkpoint.checkpoints(self.checkpoint_dir):
                if older != path:
                    older.unlink()
