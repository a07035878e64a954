"""`geneface process`."""

from __future__ import annotations

from dataclasses import dataclass

from geneface_ns.capture.options import CaptureOptions


@dataclass(frozen=True)
class ProcessConfig(CaptureOptions):
    """Turn a talking video into a capture directory that `ns-train geneface` learns from."""

    def main(self) -> None:
        """Run `process`.

        Raises:
            InputError: the video, its sound or the target cannot be used.
        """
        from geneface_ns.capture.process import process

        process(self)
