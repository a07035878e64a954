"""One `ns-train`, two stages: how the run's length is shared, and runs that lose nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import perf_counter

from nerfstudio.engine.trainer import TRAIN_INTERATION_OUTPUT, Trainer, TrainerConfig
from nerfstudio.utils.rich_utils import CONSOLE
from tyro.conf import Suppress

from audio_motion.errors import InputError
from geneface_ns.nerf import checkpoint
from geneface_ns.nerf.threads import ThreadChoice
from geneface_ns.nerf.training import stage_span
from geneface_ns.plugin.dataparser import GeneFaceDataParserConfig


@dataclass
class GeneFaceTrainerConfig(TrainerConfig):
    """nerfstudio's trainer, with the run's length shared between the two stages."""

    _target: type = field(default_factory=lambda: GeneFaceTrainer)
    """target class to instantiate"""
    head_fraction: float = 0.75
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

    def save_config(self) -> None:
        """Write config.yml. This is the first thing that ns-train writes, so a run that cannot be, or is finished,
        ends here.

        Raises:
            InputError: the capture or the checkpoint to go on from cannot be used.
            SystemExit: the run to go on with has all its steps; nothing is touched.
        """
        self._check_capture()
        found = self.resumed_from()
        if found is not None and found[1] + 1 >= self.max_num_iterations:
            CONSOLE.print(
                f"{found[0].parent.parent} is finished: all {found[1] + 1} steps are done. "
                "Ask for more with --max-num-iterations."
            )
            raise SystemExit(0)
        super().save_config()

    def _check_capture(self) -> None:
        datamanager = self.pipeline.datamanager
        dataparser = datamanager.dataparser  # type: ignore[attr-defined]
        if not isinstance(dataparser, GeneFaceDataParserConfig):
            raise InputError("geneface trains on captures only; use `ns-train geneface --data CAPTURE_DIRECTORY`")
        replace(dataparser, data=datamanager.data or dataparser.data).load()

    def resumed_from(self) -> tuple[Path, int] | None:
        """The checkpoint that this run goes on from, and its step; None for a new run.

        Raises:
            InputError: it is not there, or no checkpoint in --load-dir can be read.
        """
        if self.load_checkpoint is not None:
            path = Path(self.load_checkpoint)
        elif self.load_dir is None:
            return None
        elif self.load_step is not None:
            path = Path(self.load_dir) / f"step-{self.load_step:09d}.ckpt"
        else:
            path, contents = checkpoint.newest(Path(self.load_dir).resolve().parent)
            return path, int(contents["step"])
        if not path.is_file():
            raise InputError(f"{path}: no such checkpoint; look into its folder for those there are")
        return path, int(checkpoint.read(path)["step"])


class GeneFaceTrainer(Trainer):
    """Trainer whose checkpoints are whole and tied to their capture, and whose resumed run ends where the first would
    have: nerfstudio 1.1.5 trains max_num_iterations more."""

    config: GeneFaceTrainerConfig

    def __init__(self, config: TrainerConfig, local_rank: int = 0, world_size: int = 1) -> None:
        super().__init__(config, local_rank, world_size)
        self._threads = ThreadChoice()

    def _load_checkpoint(self) -> None:
        found = self.config.resumed_from()
        if found is not None:
            path, _ = found
            about = checkpoint.About(**checkpoint.read(path)[checkpoint.METHOD])
            checkpoint.check_capture(about, self._metadata["capture"], path)
            self.config.load_dir, self.config.load_checkpoint = None, path
        super()._load_checkpoint()

    @property
    def _metadata(self) -> dict:
        return self.pipeline.datamanager.train_dataset.metadata  # type: ignore[union-attr]

    def train_iteration(self, step: int) -> TRAIN_INTERATION_OUTPUT:
        begin = perf_counter()
        outputs = super().train_iteration(step)
        if self.device == "cpu":
            self._threads.step(perf_counter() - begin)
        return outputs

    def train(self) -> None:
        whole = self.config.max_num_iterations
        self.config.max_num_iterations = whole - self._start_step
        try:
            super().train()
        finally:
            self.config.max_num_iterations = whole

    def save_checkpoint(self, step: int) -> None:
        """Write nerfstudio's checkpoint with what it says of itself, whole or not at all; then drop older ones."""
        if self.local_rank != 0:
            return
        pipeline = getattr(self.pipeline, "module", self.pipeline)
        about = checkpoint.About.of(
            self._metadata["capture"],
            self._metadata["downscale"],
            self.config.pipeline.model,  # type: ignore[arg-type]
        )
        path = self.checkpoint_dir / f"step-{step:09d}.ckpt"
        checkpoint.write(
            path,
            {
                "step": step,
                "pipeline": pipeline.state_dict(),
                "optimizers": {name: value.state_dict() for name, value in self.optimizers.optimizers.items()},
                "schedulers": {name: value.state_dict() for name, value in self.optimizers.schedulers.items()},
                "scalers": self.grad_scaler.state_dict(),
                checkpoint.METHOD: asdict(about),
            },
        )
        if self.config.save_only_latest_checkpoint:
            for older in checkpoint.checkpoints(self.checkpoint_dir.parent):
                if older != path:
                    older.unlink()
