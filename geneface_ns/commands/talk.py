"""`geneface talk`."""

from __future__ import annotations

from dataclasses import dataclass

from geneface_ns.commands.memory import explains_out_of_memory
from geneface_ns.talk.options import TalkOptions


@dataclass(frozen=True)
class TalkConfig(TalkOptions):
    """Let the person of a video say something else: everything from a video to a video."""

    @explains_out_of_memory()
    def main(self) -> None:
        """Run `talk`.

        Raises:
            InputError: something given cannot be used.
        """
        from geneface_ns.talk.talk import talk

        talk(self)
