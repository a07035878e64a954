"""How a rendered person is shown in the video that is written: the options, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from audio_motion.errors import InputError
from geneface_ns.capture_format.person import Person
from geneface_ns.output.provenance import REPLAYED

if TYPE_CHECKING:
    from collections.abc import Callable

    from geneface_ns.motion.trajectory import Trajectory
    from geneface_ns.output.finish import Finish
    from geneface_ns.output.replay import Replay


@dataclass(frozen=True)
class LookOptions:
    """What the video shows besides the person, and at which size."""

    background: str | None = None
    """What stands behind the person instead of what was filmed: green (as of green screens), #rrggbb, a picture, or a
    video, which loops."""
    alpha: bool = False
    """Whether to leave the background transparent: ProRes 4444 in a .mov, VP9 in a .webm, straight alpha."""
    paste_back: Path | None = None
    """The video that the capture was made from: the person goes back into its whole picture. Head and body then move
    as they do there, to and fro where the speech is longer."""
    replay: bool = False
    """Whether to show the footage itself, to and fro, and to draw mouth and jaw alone: faster, and all else is as it
    was filmed. With --paste-back in the whole original picture."""
    size: tuple[int, int] | None = None
    """Width and height of the video; left out: as trained. The person is shown whole, as large as fits, on the lower
    edge."""
    visible_mark: bool = False
    """Whether to write "AI-generated" into the corner. The file says so in any case."""
    c2pa: tuple[Path, Path] | None = None
    """Your certificate chain and its private key (PEM) to sign content credentials with: .mp4 and .mov."""

    @property
    def inputs(self) -> tuple[Path | None, ...]:
        """The files that are read."""
        return self.paste_back, Path(self.background) if self.background is not None else None, *(self.c2pa or ())

    @property
    def filmed(self) -> str | None:
        """The option under which head and body move as in the footage; None where they are free."""
        return "--paste-back" if self.paste_back is not None else "--replay" if self.replay else None

    @property
    def said(self) -> str:
        """What is to be said beside a finished video's name and length."""
        return f"; {REPLAYED}" if self.replay else ""

    def check(self, output: Path) -> None:
        """Refuse what cannot be done, before a model is loaded.

        Raises:
            InputError: options that exclude each other, sizes out of range, a background or an original that cannot be
                decoded, or alpha in a container without it.
        """
        from audio_motion.media import probe
        from geneface_ns.output.backgrounds import backgrounds
        from geneface_ns.output.credentials import check_credentials
        from geneface_ns.output.video import codecs_for

        behind = {"--background": self.background, "--alpha": self.alpha or None, self.filmed: self.filmed}
        given = [name for name, value in behind.items() if name is not None and value is not None]
        if len(given) > 1:
            raise InputError(f"{' and '.join(given)} exclude each other; give one of them")
        codecs_for(output, self.alpha)
        if self.size is not None:
            if self.filmed is not None:
                raise InputError(f"--size does not go with {self.filmed}, whose size is the footage's; leave it out")
            if not all(SMALLEST <= side <= LARGEST and side % 2 == 0 for side in self.size):
                raise InputError(
                    f"--size {self.size[0]} {self.size[1]}: give even numbers from {SMALLEST} to {LARGEST}"
                )
        if self.background is not None:
            backgrounds(self.background, (SMALLEST, SMALLEST), 25.0)
        if self.paste_back is not None:
            probe(self.paste_back)
        if self.c2pa is not None:
            check_credentials(output, *self.c2pa)


SMALLEST, LARGEST = 16, 4096
"""Pixels of each side of a video."""


class Look(NamedTuple):
    """What the options come to for a person."""

    render_size: tuple[int, int]
    """Width and height that frames are rendered at."""
    size: tuple[int, int]
    """Of the video."""
    finish_from: Callable[[int, Path], Finish]
    """From rendered frames to the video's, beginning with the frame of that number; and a folder to work in."""
    alpha: bool
    """Whether it is partly transparent."""
    trajectory: Trajectory | None
    """How head and body must move, where that is not free."""
    replay: Replay | None
    """The footage that is shown, where only a part of each frame is rendered."""


def look_of(options: LookOptions, person: Person, trained_size: tuple[int, int]) -> Look:
    """What the options come to.

    Args:
        person: who is shown.
        trained_size: width and height of the pictures that it learnt from.

    Raises:
        InputError: --paste-back or --replay of a person without the capture, or of another video.
    """
    from geneface_ns.capture_format.capture import Capture
    from geneface_ns.output import finish
    from geneface_ns.output.backgrounds import backgrounds
    from geneface_ns.output.paste_back import check_original, filmed_trajectory, pasted
    from geneface_ns.output.replay import replay_of

    frame = finish.Frame.around(trained_size, options.size)
    size, trajectory, replay = frame.size, None, None
    if options.filmed is not None:
        if not isinstance(person, Capture):
            raise InputError(f"{options.filmed} needs the capture, which holds what was filmed; give a run")
        if options.paste_back is not None:
            check_original(options.paste_back, person)
            assert person.origin is not None
            size, trajectory = (person.origin.width, person.origin.height), filmed_trajectory(person)
        if options.replay:
            replay = replay_of(person, options.paste_back)
            size, trajectory = replay.size, replay.trajectory

    def finish_from(first: int, folder: Path) -> Finish:
        if replay is not None:
            done = replay.finish_from(first, folder)
        elif options.paste_back is not None:
            assert isinstance(person, Capture)
            done = pasted(options.paste_back, person, folder, first)
        elif options.alpha:
            done = finish.over_nothing(frame)
        elif options.background is not None:
            done = finish.over(frame, backgrounds(options.background, size, person.fps, first))
        else:
            done = finish.as_filmed(frame)
        return finish.marked(done) if options.visible_mark else done

    return Look(frame.inner, size, finish_from, options.alpha, trajectory, replay)
