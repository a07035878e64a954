"""The panel's folder "How it is spoken": what the next prediction is made with, by the names of `geneface render`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import viser

from audio_motion.postprocess import AS_GENERATED, PostProcess
from geneface_ns.motion.voice import Voice
from geneface_ns.output.options import RenderOptions


@dataclass(frozen=True)
class Delivery:
    """How speech is performed."""

    seed: int = RenderOptions.seed
    """Another seed, another performance."""
    temperature: float = RenderOptions.temperature
    """0 is the likeliest motion, 1 the full variety."""
    postnet: bool = True
    """Whether the person's own post-net, where the voice has one, moves it into what their face does."""
    postprocess: bool = True
    """Whether the steps of `audio_motion.postprocess` are taken."""

    def of(self, voice: Voice) -> Voice:
        """A voice with or without its post-net."""
        return voice if self.postnet else replace(voice, postnet=None)

    @property
    def post(self) -> PostProcess:
        """The steps."""
        return PostProcess() if self.postprocess else AS_GENERATED


class SpokenControls:
    """The folder."""

    def __init__(self, gui: viser.GuiApi, order: float, again: Callable[[], None]) -> None:
        """
        Args:
            again: called when what is spoken shall be predicted anew.
        """
        usual = Delivery()
        with gui.add_folder("How it is spoken", order=order, expand_by_default=False):
            self._temperature = gui.add_slider(
                *("Temperature", 0.0, 2.0, 0.05, usual.temperature),
                hint="How far seeds differ, 0: not at all; as --temperature of geneface render",
            )
            self._seed = gui.add_number(
                "Seed", usual.seed, min=0, max=2**31 - 1, step=1, hint="Another seed, another performance; as --seed"
            )
            self._postnet = gui.add_checkbox("Post-net", True, hint="Moves the motion into what this face does")
            self._postprocess = gui.add_checkbox(
                "Post-processing", True, hint="Outliers held back, a mouth that rests in silence, smoothing, blinks"
            )
            self._again = gui.add_button("Speak again", visible=False)
        self._again.on_click(lambda _: again())

    @property
    def delivery(self) -> Delivery:
        """What is chosen."""
        return Delivery(
            int(self._seed.value), float(self._temperature.value), self._postnet.value, self._postprocess.value
        )

    def performs(self, speech: bool) -> None:
        """Something is performed; speech can be spoken again."""
        self._again.visible = speech

    def speaks_with(self, voice: Voice) -> None:
        """The voice is known: without a post-net there is none to leave out."""
        self._postnet.visible = voice.postnet is not None
