"""`geneface talk` with a person file: nothing is left to do but to render."""

from __future__ import annotations

from rich.console import Console

from audio_motion.errors import InputError
from geneface_ns.output.look import LookOptions
from geneface_ns.output.options import RenderOptions
from geneface_ns.output.performer import Performer
from geneface_ns.output.request import Request, script_of
from geneface_ns.talk.options import TalkOptions
from geneface_ns.trained.runs import resolve

OF_TRAINING = ("work", "method", "minutes", "iterations", "size")
"""Options that say how the head is made."""


def let_say(options: TalkOptions, console: Console) -> None:
    """Make the video that is asked for of a person file; it needs neither a capture nor nerfstudio.

    Raises:
        InputError: the files or options cannot be used.
    """
    given = [f"--{name}" for name in OF_TRAINING if getattr(options, name) is not None]
    if given:
        raise InputError(f"{options.video}: is trained, so there is nothing for {' and '.join(given)}; leave that out")
    how = RenderOptions(
        options.generator, seed=options.seed, temperature=options.temperature, look=LookOptions(replay=options.replay)
    )
    source, request = resolve(options.video), Request(options.result, options.speech)
    script = script_of(request, how, source.path)
    performer = Performer(source, how)
    frames = performer.perform(request, script)
    seconds = frames / performer.person.fps
    console.print(f"{options.result}: {seconds:.2f} s", markup=False, highlight=False, soft_wrap=True)
