"""`geneface demo`: a procedural person's video is processed and learnt, and says what it never said."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from audio_motion.errors import InputError
from geneface_ns.capture_format.layout import Layout

SIZE = 160
"""Pixels, width and height."""
SECONDS = 24
"""Of the clip that is learnt from."""
ITERATIONS = 3000
"""Of the training."""
SEED = 1
"""Who the person is."""


@dataclass
class DemoConfig:
    """Make a procedural person, train on its video, and let it say what it never said: OUTPUT_DIR/demo.mp4."""

    output_dir: Path = Path("out")
    """Where everything goes. What is finished there is not done again."""

    def main(self) -> None:
        """Run the steps that are not done yet.

        Raises:
            InputError: a step failed; its own message stands above.
        """
        out = self.output_dir
        clip, speech, capture = out / "clip.mp4", out / "speech.wav", out / "capture"
        training = out / "training" / RUN
        video = out / "demo.mp4"
        steps: list[tuple[str, Path, Callable[[], None]]] = [
            ("the person's clip", clip, lambda: make_clip(clip)),
            ("speech it never heard", speech, lambda: make_speech(speech)),
            (
                "geneface process",
                Layout(capture).transforms,
                lambda: geneface("process", clip, capture, "--person", "avatar"),
            ),
            ("ns-train geneface", training / LAST_CHECKPOINT, lambda: train(capture, out / "training")),
            ("geneface render", video, lambda: render(training / "config.yml", speech, video)),
        ]
        begin = perf_counter()
        for number, (name, product, action) in enumerate(steps, 1):
            title = f"[{number}/{len(steps)}] {name}"
            if product.exists():
                print(f"{title}: done before ({product})", flush=True)
                continue
            print(title, flush=True)
            started = perf_counter()
            action()
            if not product.exists():
                raise InputError(f"{name} ended without {product}; see its messages above")
            print(f"{title}: {perf_counter() - started:.0f} s", flush=True)
        print(f"{video} (all steps: {perf_counter() - begin:.0f} s)")


RUN = Path("demo", "geneface", "run")
"""nerfstudio's folder of the training, below its output folder."""
LAST_CHECKPOINT = f"nerfstudio_models/step-{ITERATIONS - 1:09d}.ckpt"


def make_clip(path: Path) -> None:
    """Write the procedural person's talking video."""
    from geneface_ns.synthetic.clip import write_clip

    write_clip(path, SEED, size=SIZE, fps=25.0, seconds=SECONDS)


def make_speech(path: Path) -> None:
    """Write the sentences that are not in the clip, as WAV."""
    from geneface_ns.synthetic.clip import write_sound
    from geneface_ns.synthetic.speech import speech_names, speech_track

    path.parent.mkdir(parents=True, exist_ok=True)
    write_sound(path, speech_track(speech_names("unseen"), SEED).sound)


def train(capture: Path, output: Path) -> None:
    """Train with nerfstudio's own command; the run keeps its name, so an interrupted one goes on where it was."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    run(
        Path(sys.executable).with_name("ns-train"),
        *("geneface", "--data", capture, "--output-dir", output),
        *("--experiment-name", "demo", "--timestamp", "run", "--vis", "tensorboard"),
        *("--machine.device-type", device, "--max-num-iterations", ITERATIONS),
    )


def render(config: Path, speech: Path, video: Path) -> None:
    """Let the trained person speak."""
    # The demo's drawn mouth is none that the package's generator has heard of: its own generator suits it better.
    geneface("render", "--load-config", config, "--audio", speech, "--generator", "person", "--output", video)


def geneface(*arguments: object) -> None:
    """Run a `geneface` command in a process of its own, as a user would."""
    run(sys.executable, "-m", "geneface_ns.commands.cli", *arguments)


def run(*command: object) -> None:
    """Run a command with its messages on the screen.

    Raises:
        InputError: it failed, or is not there.
    """
    words = [str(word) for word in command]
    try:
        code = subprocess.run(words, stdin=subprocess.DEVNULL).returncode
    except OSError as error:
        raise InputError(f"{words[0]} cannot be run ({error.strerror}); install the project with `make env`") from error
    if code:
        raise InputError(f"{' '.join(words)} failed (exit code {code}); see its messages above")
