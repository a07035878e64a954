"""The report of an evaluation as a table on the screen."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from geneface_ns.evaluation.as_used import BY_LOUDNESS, FILMED, MEAN, OTHERS, RENDERED, USED
from geneface_ns.evaluation.evaluate import CEILING

ROWS = {
    "psnr_db": ("PSNR, dB", ".2f"),
    "ssim": ("SSIM", ".4f"),
    "mouth_psnr_db": ("PSNR of the mouth, dB", ".2f"),
    "lpips": ("LPIPS", ".4f"),
    "lmd_px": ("LMD, px", ".3f"),
    "lmd_of_face_width": ("LMD / face width", ".4f"),
    "opening_correlation": ("opening: correlation", ".3f"),
    "opening_amplitude": ("opening: amplitude", ".2f"),
    "obedience": ("opening: obeyed", ".2f"),
    "head_jitter": ("jitter of the head", ".2f"),
    "background_change": ("change: background", ".2f"),
    "shoulders_change": ("change: shoulders", ".2f"),
    "hair_change": ("change: hair", ".2f"),
    "frames_with_face": ("frames with a face", "d"),
    "fps": ("frames a second", ".1f"),
}


def table(report: dict[str, Any]) -> Table:
    """A table of an evaluation's report (`EvaluateConfig.main`), one mode a column."""
    width, height = report["size"]
    first, last = report["test_frames"]
    modes = {**report["modes"], CEILING: report["ceiling"]}
    made = Table(
        title=f"test frames {first} to {last} at {width}x{height}, step {report['step']}",
        caption=f"LPIPS: {report['lpips']}. Opening: the inner lips tracked in rendered against real frames; obeyed: "
        "against the landmarks asked for. Jitter: face width / 1000. Change: from frame to frame, of 255.",
    )
    made.add_column("")
    for name in modes:
        made.add_column(name, justify="right", max_width=14)
    made.add_row("", *(f"[dim]{figures['what']}[/]" for figures in modes.values()), end_section=True)
    for key, (title, style) in ROWS.items():
        made.add_row(title, *(_cell(figures.get(key), style) for figures in modes.values()))
    return made


FOREIGN = {
    "silhouette": "outline",
    "silhouette_worst": "worst",
    "face": "face",
    "face_worst": "worst",
    "flicker": "flicker",
    "flicker_worst": "worst",
    "obedience": "opening",
}


def foreign_table(driven: dict[str, dict[str, float | None]]) -> Table:
    """A table of strangers' speech (`EvaluateConfig.main`): what was seen, a row each."""
    return _row_each(
        FOREIGN,
        driven,
        title="Fine structure along the head's outline and in the face, and flicker: of 255",
        caption="Worst: of the worst twentieth of the frames. Opening: shown over asked. Speeches: over the own one's.",
    )


NATURAL = {
    "lip_dynamics": "lips move",
    "head_motion": "head moves",
    "brow_dynamics": "brows move",
    "silent_lips": "silent lips",
    "lip_sync": "lip sync",
    "expression_variance": "face varies",
    "pose_variance": "pose varies",
    "wobble": "head jitters",
    "seeds": "seeds differ",
    "bilabials_shut": "shut at /p b m/",
}


def natural_table(rows: dict[str, dict[str, float | None]]) -> Table:
    """A table of the head as its users get it (`geneface_ns.evaluation.as_used`); of several speeches their mean."""
    made = Table(
        title="As a user gets it, against the unseen stretch of the video",
        caption="First column: figures. Others: five scores, 1 - |made - real| / real; then made over real.",
    )
    shown = {
        name: figures for name, figures in rows.items() if name in (FILMED, OTHERS, RENDERED, USED, BY_LOUDNESS, MEAN)
    }
    made.add_column("", no_wrap=True)
    for name in shown:
        made.add_column(name, justify="right", max_width=14)
    for key, title in NATURAL.items():
        cells = (_cell(figures.get(key), ".4f" if name == FILMED else ".2f") for name, figures in shown.items())
        made.add_row(title, *cells)
    return made


HEADS = {
    "score": "head moves",
    "each": "each",
    "variance": "variance",
    "speed": "speed",
    "wobble": "wobble",
    "seeds": "seeds",
}


def heads_table(rows: dict[str, dict[str, float | None]]) -> Table:
    """A table of the head's motion (`geneface_ns.evaluation.heads`)."""
    return _row_each(
        HEADS,
        rows,
        title="The head's motion, against stretches of the filmed one",
        caption="Head moves: score of the means; each: mean of the scores. Others: made over filmed.",
    )


def _row_each(columns: dict[str, str], rows: dict[str, dict[str, float | None]], title: str, caption: str) -> Table:
    made = Table(title=title, caption=caption)
    made.add_column("")
    for heading in columns.values():
        made.add_column(heading, justify="right")
    for name, figures in rows.items():
        made.add_row(name, *(_cell(figures[key], ".2f") for key in columns))
    return made


def _cell(value: float | None, style: str) -> str:
    return "-" if value is None else format(value, style)


def show(report: dict[str, Any]) -> None:
    """Print the tables."""
    Console().print(table(report))
    if report["driven"]:
        Console().print(foreign_table(report["driven"]))
    for title, found, tabled in (
        ("as a user gets it", "as_used", natural_table),
        ("head motion", "heads", heads_table),
    ):
        rows = report[found]
        Console().print(f"{title}: {rows}" if isinstance(rows, str) else tabled(rows))
