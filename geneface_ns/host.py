"""What nerfstudio 1.1.5 leaves to its surroundings."""

from __future__ import annotations

import shutil


def give_mediapy_an_ffmpeg() -> None:
    """Let nerfstudio's ns-render write videos where no ffmpeg program is installed.

    It writes them through mediapy, which calls that program; imageio-ffmpeg's wheel carries one.
    """
    if shutil.which("ffmpeg") is None:
        import imageio_ffmpeg
        import mediapy

        mediapy.set_ffmpeg(imageio_ffmpeg.get_ffmpeg_exe())
