"""The report of an evaluation as a table on the screen."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

ROWS = {
    "psnr_db": ("PSNR, dB", ".2f"),
    "ssim": ("SSIM", ".4f"),
    "mouth_psnr_db": ("PSNR of the mouth, dB", ".2f"),
    "lpips": ("LPIPS", ".4f"),
    "lmd_px": ("LMD, px", ".3f"),
    "lmd_of_face_width": ("LMD / face width", ".4f"),
    "opening_correlation": ("opening: correlation", ".3f"),
    "opening_amplitude": ("opening: amplitude", ".2f"),
    "frames_with_face": ("frames with a face", "d"),
    "fps": ("frames a second", ".1f"),
}


def table(report: dict[str, Any]) -> Table:
    """A table of an evaluation's report (`EvaluateConfig.main`), one mode a column."""
    width, height = report["size"]
    first, last = report["test_frames"]
    modes = report["modes"]
    made = Table(
        title=f"test frames {first} to {last} at {width}x{height}, step {report['step']}",
        caption=f"LPIPS: {report['lpips']}. Opening: the inner lips tracked in rendered against real frames.",
    )
    made.add_column("")
    for name in modes:
        made.add_column(name, justify="right", max_width=18)
    made.add_row("", *(f"[dim]{figures['what']}[/]" for figures in modes.values()), end_section=True)
    for key, (title, style) in ROWS.items():
        cells = (format(figures[key], style) if figures[key] is not None else "-" for figures in modes.values())
        made.add_row(title, *cells)
    return made


def show(report: dict[str, Any]) -> None:
    """Print the table."""
    Console().print(table(report))
