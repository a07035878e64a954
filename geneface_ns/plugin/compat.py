"""What nerfstudio 1.1.5 leaves to its surroundings."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def offer_ffmpeg() -> None:
    """Let nerfstudio's commands find an ffmpeg program where none is installed.

    ns-render looks for it by name, and writes videos through mediapy, which calls it. imageio-ffmpeg's wheel carries
    one under another name: a link to it, in ~/.cache/geneface/bin or below $XDG_CACHE_HOME, is put at the end of PATH.
    Where that cannot be written nothing is done, and nerfstudio says itself what it misses.
    """
    if shutil.which("ffmpeg") is not None:
        return
    import imageio_ffmpeg

    program = Path(imageio_ffmpeg.get_ffmpeg_exe())
    link = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "geneface" / "bin" / "ffmpeg"
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists() or not link.samefile(program):
            beside = link.with_name(f"ffmpeg.{os.getpid()}")
            beside.symlink_to(program)
            beside.replace(link)
    except OSError:
        return
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), str(link.parent)])
