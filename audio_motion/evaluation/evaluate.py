"""Generators beside baselines on given recordings and sounds: table, JSON, picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from audio_motion.data.recording import Recording
from audio_motion.data.sources import Split, load_recordings
from audio_motion.errors import InputError
from audio_motion.evaluation.measures import Measures, average, closure, measure, opening_deviation
from audio_motion.evaluation.natural import FILMED, natural
from audio_motion.evaluation.naturalness import LEAST
from audio_motion.evaluation.phones import bilabials
from audio_motion.evaluation.predictors import Predictor, chain, mean_face, nearest_neighbour, ridge, speak
from audio_motion.files import written_whole
from audio_motion.media import load_audio
from audio_motion.models.checkpoint import TrainedGenerator, TrainedSyncExpert, load_generator, load_syncnet
from audio_motion.models.pretrained import PRETRAINED_EXPERT
from audio_motion.predict import Generator
from audio_motion.sync import estimate_lag
from audio_motion.topology import mouth_opening

SCHEMA_VERSION = 2
_HEADINGS = {
    "opening_correlation": "opening corr.",
    "width_correlation": "width corr.",
    "opening_amplitude": "amplitude",
    "mouth_error": "mouth error",
    "mouth_distance": "mouth dist.",
    "face_distance": "face dist.",
    "jitter": "jitter",
    "sync_accuracy": "sync",
    "sync_offset": "offset s",
}
_LIVELY = {
    "lip_dynamics": "lips move",
    "brow_dynamics": "brows move",
    "silent_lips": "silent lips",
    "lip_sync": "lip sync",
    "expression_variance": "face var.",
    "seeds": "seeds",
}


def evaluate(
    generators: Sequence[Path],
    on: Sequence[Path],
    learn_from: Sequence[Path],
    speech: Sequence[Path],
    split: Split,
    expert: Path | None,
    features: str | None,
    output: Path,
) -> dict:
    """See `evaluation.command.EvaluateCommand`.

    Returns:
        what evaluation.json holds.

    Raises:
        InputError: anything given cannot be used.
    """
    models = {name: load_generator(path, features=features) for name, path in named(generators, stem=True).items()}
    heard = next(iter(models.values())).features
    others = [name for name, model in models.items() if model.features.name != heard.name]
    if others:
        raise InputError(
            f"{others[0]}: made for {models[others[0]].features.name}, the first for {heard.name}; measure apart"
        )
    judge = load_syncnet(expert or PRETRAINED_EXPERT, features=features if expert else None)
    if judge.features.name != heard.name:
        if expert:
            raise InputError(f"{expert}: made for {judge.features.name}, the generators for {heard.name}")
        print(f"the package's sync expert hears {judge.features.name}, not {heard.name}: sync is left out (--expert)")
    use = judge.model if judge.features.name == heard.name else None
    # Names tell speakers apart within a corpus, which has shared their spreads; across sources they say nothing.
    recordings = [r for path in on for r in load_recordings(path, heard, split)]
    predictors: dict[str, Predictor] = {"mean face": mean_face()}
    if learn_from and recordings:
        learnt = [r for path in learn_from for r in load_recordings(path, heard, "train")]
        scale = float(np.median([r.face.scale for r in learnt]))
        predictors["ridge regression"] = ridge(learnt, scale)
        predictors["nearest neighbour"] = nearest_neighbour(learnt, scale)
    predictors |= {name: speak(model) for name, model in models.items()}
    report: dict = {"schema_version": SCHEMA_VERSION, "features": heard.name, "recordings": len(recordings)}
    rows: dict[str, Measures] = {}
    if recordings:
        frames = [int(r.valid.sum()) for r in recordings]
        rows = {name: average([measure(r, p(r), use) for r in recordings], frames) for name, p in predictors.items()}
        _print(rows, len({r.face.person for r in recordings}), sum(frames) / 25)
        report["models"] = {name: _plain(asdict(row)) for name, row in rows.items()}
        chains = {f"{name}, as used": partial(_seeded, chain, model) for name, model in models.items()}
        alone = {name: partial(_seeded, speak, model) for name, model in models.items()}
        simple = {name: p for name, p in predictors.items() if name not in models}
        lively = natural(recordings, simple, alone | chains)
        _print_natural(lively)
        report["natural"] = {name: _plain(row) for name, row in lively.items()}
    report["speech"] = {
        sound: {name: _plain(_alone(path, model, judge if expert else None)) for name, model in models.items()}
        for sound, path in named(speech).items()
    }
    _print_speech(report["speech"])
    output.mkdir(parents=True, exist_ok=True)
    with written_whole(output / "evaluation.json") as temporary:
        temporary.write_text(json.dumps(report, indent=1))
    if recordings:
        _picture(output / "evaluation.png", recordings, predictors)
    print(f"wrote {output}/evaluation.json" + (" and evaluation.png" if recordings else ""))
    return report


def _seeded(way: Callable[..., Predictor], model: TrainedGenerator, seed: int) -> Predictor:
    return way(model, seed=seed)


def named(paths: Sequence[Path], stem: bool = False) -> dict[str, Path]:
    """Paths by names that tell them apart: the files' own, with as many of their folders as it takes.

    Args:
        stem: without the suffix.
    """
    apart: dict[str, Path] = {}
    whole = list(dict.fromkeys(path.absolute() for path in paths))
    for path in whole:
        length = 1
        while sum(other.parts[-length:] == path.parts[-length:] for other in whole) > 1:
            length += 1
        name = Path(*path.parts[-length:])
        apart[(name.with_suffix("") if stem else name).as_posix()] = path
    return apart


def _alone(path: Path, model: TrainedGenerator, expert: TrainedSyncExpert | None) -> dict[str, float]:
    """What can be said of speech without a picture; `expert` judges, or the one that comes with the package."""
    motion = Generator(model).predict(path)
    lag = estimate_lag(load_audio(path), motion, expert)
    figures = {
        "seconds": motion.duration,
        "sync_offset": lag.seconds,
        "sync_confidence": lag.confidence,
        "opening_deviation": opening_deviation(motion.landmarks),
    }
    shut_at = bilabials(path.with_suffix(".json"))
    if shut_at:
        opening = mouth_opening(motion.landmarks)
        figures["bilabials_shut"] = closure(opening, motion.fps, shut_at)
        # What moments as long as they, half a second and more away, would give.
        elsewhere = [[(a + shift, b + shift) for a, b in shut_at] for shift in (-1.5, -1.0, -0.5, 0.5, 1.0, 1.5)]
        figures["bilabials_shut_by_chance"] = float(np.nanmean([closure(opening, motion.fps, b) for b in elsewhere]))
    return figures


def _plain(figures: dict[str, float]) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {name: value if np.isfinite(value) else None for name, value in figures.items()}


def _print(rows: dict[str, Measures], speakers: int, seconds: float) -> None:
    table = Table(title=f"{speakers} speakers, {seconds:.0f} s")
    for heading in ("", *_HEADINGS.values()):
        table.add_column(heading)
    for name, row in rows.items():
        table.add_row(name, *(f"{value:.3f}" for value in asdict(row).values()))
    Console(width=150).print(table)


def _print_natural(rows: dict[str, dict[str, float]]) -> None:
    if not rows:
        print(f"naturalness not measured: no recording has {LEAST:g} s of face among what is measured on")
        return
    table = Table(title="as lively as people? filmed: figures; others: 1 - |made - real| / real, then made over real")
    for heading in ("", *_LIVELY.values()):
        table.add_column(heading)
    for name, row in rows.items():
        style = ".4f" if name == FILMED else ".2f"
        values = (row.get(key, float("nan")) for key in _LIVELY)
        table.add_row(name, *(format(value, style) if np.isfinite(value) else "-" for value in values))
    Console(width=150).print(table)


def _print_speech(speech: dict[str, dict[str, dict[str, float]]]) -> None:
    for path, models in speech.items():
        for name, figures in models.items():
            shown = ", ".join(f"{key} {value:.3f}" for key, value in figures.items() if value is not None)
            print(f"{path}, {name}: {shown}")


def _picture(path: Path, recordings: Sequence[Recording], predictors: dict[str, Predictor]) -> None:
    """Opening of the mouth over time, true and generated, in the three longest recordings' first ten seconds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    longest = sorted(recordings, key=lambda r: -len(r.offsets))[:3]
    figure, axes = pyplot.subplots(len(longest), 1, figsize=(14, 3 * len(longest)), squeeze=False)
    for axis, recording in zip(axes[:, 0], longest, strict=True):
        mean = recording.face.mean
        lines = {"true": recording.offsets.numpy()} | {
            name: predict(recording) for name, predict in predictors.items() if name != "mean face"
        }
        for name, offsets in lines.items():
            opening = mouth_opening(mean + offsets[:250])
            axis.plot(np.arange(len(opening)) / 25, opening, label=name, color="black" if name == "true" else None)
        axis.set_title(f"opening of the mouth (face widths), {recording.face.person}")
        axis.set_xlabel("s")
    axes[0, 0].legend(loc="upper right")
    figure.tight_layout()
    with written_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=80)
    pyplot.close(figure)
