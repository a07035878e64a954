"""`geneface demo`: a procedural person's video is processed and learnt, and says what it never said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from geneface_ns.talk.options import TalkOptions

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
        """Make the clip and the speech that are not there yet, then what `geneface talk` does.

        Raises:
            InputError: a step failed.
        """
        clip, speech = self.output_dir / "clip.mp4", self.output_dir / "speech.wav"
        for name, product, action in (
            ("the person's clip", clip, make_clip),
            ("speech it never heard", speech, make_speech),
        ):
            if product.exists():
                print(f"{name}: made before ({product})", flush=True)
            else:
                action(product)
                print(f"{name}: {product}", flush=True)
        from geneface_ns.talk.talk import talk

        # The drawn mouth is none that the package's generator has heard of: its own generator suits it better.
        talk(TalkOptions(clip, speech, self.output_dir / "demo.mp4", iterations=ITERATIONS, generator="person"))


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
