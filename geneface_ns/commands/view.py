"""`geneface view`: a trained head in the browser, with sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from audio_motion.ending import INTERRUPTED
from audio_motion.errors import InputError
from geneface_ns.commands.memory import explains_out_of_memory


@dataclass
class ViewConfig:
    """Watch and hear a trained head in the browser: its own video, speech that is uploaded, landmark sequences."""

    run: Annotated[Path, tyro.conf.Positional]
    """The folder of a run of `ns-train`, its config.yml, a capture (its newest run), or a person file."""
    sounds: Path | None = None
    """A folder whose sounds and motions (.npz, .csv) the browser may choose from."""
    host: str = "127.0.0.1"
    """Who can reach it: this machine alone; 0.0.0.0 for everybody, who then need the token in the printed address."""
    port: int = 7007
    """Where it is served."""
    generator: str = "prior"
    """What turns speech into motion, as for `geneface render`."""
    features: str | None = None
    """Where the speech features of a checkpoint of your own are now, as in training (default: where they were then)."""
    data: Path | None = None
    """The capture, where it no longer lies where the head was trained from."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What renders; auto is CUDA where there is one."""
    renderer: Literal["auto", "reference", "cpu"] = "auto"
    """How it is rendered, as for `geneface render`."""
    most_megabytes: float = 100.0
    """Of an upload."""
    most_seconds: float = 600.0
    """Of anything that is played."""

    @explains_out_of_memory()
    def main(self) -> None:
        """Serve until interrupted.

        Raises:
            InputError: the run cannot be used, or the port.
        """
        import atexit
        import os
        import tempfile
        import threading
        from functools import partial

        from geneface_ns.motion.voice import voice_of
        from geneface_ns.renderers.choose import choose_renderer
        from geneface_ns.trained.load import load_trained
        from geneface_ns.trained.runs import resolve
        from geneface_ns.viewer.server import need_port, served, sounds_of
        from geneface_ns.viewer.stage import Stage, once

        if not (0 < self.most_megabytes <= 4000 and 0 < self.most_seconds <= 36000):
            raise InputError("--most-megabytes may be up to 4000, --most-seconds up to 36000, both above 0")
        if not 0 < self.port < 65536:
            raise InputError(f"--port {self.port}: choose one between 1 and 65535")
        source = resolve(self.run, self.data)
        if source.said:
            print(source.said)
        sounds = sounds_of(self.sounds) if self.sounds is not None else {}
        need_port(self.host, self.port)
        trained = load_trained(source.path, source.data, self.device)
        with tempfile.TemporaryDirectory(prefix="geneface-view-", ignore_cleanup_errors=True) as folder:
            stage = Stage(
                person=trained.person,
                renderer=choose_renderer(trained.portrait, self.renderer),
                turn=threading.Lock(),
                voice=once(partial(voice_of, trained.person, self.generator, self.features)),
                folder=Path(folder),
                run=source.path,
                sounds=sounds,
                most_bytes=int(self.most_megabytes * 1e6),
                most_seconds=self.most_seconds,
            )
            with served(stage, self.host, self.port) as address:
                print(f"watch {trained.person.name} at {address} (Ctrl-C ends it)", flush=True)
                try:
                    threading.Event().wait()
                except KeyboardInterrupt:
                    # A prediction may be in the middle of torch's code, which Python cannot end in good order.
                    atexit.register(os._exit, INTERRUPTED)
                    raise KeyboardInterrupt("the viewer has ended") from None
