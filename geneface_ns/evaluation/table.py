"""The report of an evaluation as a table on the screen."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

COLUMNS = {
    "psnr_db": ("PSNR dB", ".2f"),
    "ssim": ("SSIM", ".4f"),
    "mouth_psnr_db": ("mouth PSNR dB", ".2f"),
    "lpips": ("LPIPS", ".4f"),
    "lmd_px": ("LMD px", ".3f"),
    "lmd_of_face_width": ("LMD / face width", ".4f"),
    "opening_correlation": ("opening correlation", ".3f"),
    "opening_amplitude": ("opening amplitude", ".2f"),
    "fps": ("fps", ".1f"),
}


def table(report: dict[str, Any]) -> Table:
    """A table of an evaluation's report (`EvaluateConfig.main`), one mode a row."""
    width, height = report["size"]
    first, last = report["test_frames"]
    made = Table(
        title=f"test frames {first} to {last} at {width}x{height}, step {report['step']}",
        caption=f"LPIPS: {report['lpips']}. Opening: the inner lips tracked in rendered against real frames.",
    )
    made.add_column("mode")
    for title, _ in COLUMNS.values():
        made.add_column(title, justify="right")
    for name, figures in report["modes"].items():
        cells = [
            format(figures[key], style) if figures[key] is not None else "-" for key, (_, style) in COLUMNS.items()
        ]
        made.add_row(f"{name}\n[dim]{figures['what']}[/]", *cells)
    return made


def show(report: dict[str, Any]) -> None:
    """Print the table."""
    Console().print(table(report))
