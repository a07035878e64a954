"""`audio-motion corpus`: a folder of talking videos in, shards, corpus.json and a report out."""

from __future__ import annotations

from rich.console import Console

from audio_motion.corpus import assemble, report, report_picture
from audio_motion.corpus.clip import ClipWork
from audio_motion.corpus.config import CorpusConfig
from audio_motion.corpus.find import Source, find_videos
from audio_motion.corpus.speakers import doubt, speakers_of
from audio_motion.corpus.store import Refusal, Store, index, read_refusal
from audio_motion.corpus.workers import each_clip
from audio_motion.data.corpus import load_corpus
from audio_motion.errors import InputError
from audio_motion.files import need_place, spare_inputs
from audio_motion.parallel import follow
from audio_motion.sync import estimate_lag


def make_corpus(config: CorpusConfig, console: Console | None = None) -> dict:
    """Write the corpus `config.output` (docs/corpus.md), going on where an earlier run was stopped.

    Returns:
        The contents of report.json.

    Raises:
        InputError: the folders or options cannot be used, the disk is full, or no clip at all can be used.
        KeyboardInterrupt: stopped by the user; what was finished stays.
    """
    console = console or Console(stderr=True)
    _check(config)
    content, sources = config.content(), find_videos(config.videos)
    speakers = speakers_of([source.name for source in sources], config.speakers, config.speaker_table)
    doubtful = doubt(speakers, told=config.speaker_table is not None or config.speakers == "clip")
    if doubtful:
        console.print(f"WARNING: {doubtful}", style="bold red", highlight=False, markup=False, soft_wrap=True)
    store = Store(config.output)
    with store.opened(content):
        keyed = {source.key(content): source for source in sources}
        failed = _work(config, store, keyed, console)
        console.print("putting the clips into shards")
        assemble.fill_shards(store)
        kept = store.refused()
        refused = [read_refusal(kept[key]) for key in keyed if key in kept] + failed
        options = {**content, "speakers": config.speakers, "held_out": config.held_out}
        listing = assemble.write_listing(store, keyed, speakers, config.held_out, refused, options)
        contents = report.build(listing, [doubtful] if doubtful else [])
        report.write(store.root / "report.json", contents)
        report_picture.draw(store.root / "report.png", contents, listing, load_corpus(store.root))
    for line in report.lines(contents):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if not listing["clips"]:
        raise InputError(f"{config.videos}: none of its videos can be used; {store.root}/report.json says why")
    console.print(f"look at {store.root / 'report.png'}")
    return contents


def _work(config: CorpusConfig, store: Store, keyed: dict[str, Source], console: Console) -> list[Refusal]:
    """Work on the clips that are not done; returns those that failed, and will be tried again by the next run."""
    done = index(store.shards()).keys() | store.finished().keys() | store.refused().keys()
    todo = [
        ClipWork(source, key, config.gate, config.lag_confidence, estimate_lag)
        for key, source in keyed.items()
        if key not in done
    ]
    if len(todo) < len(keyed):
        console.print(f"{len(keyed) - len(todo)} of {len(keyed)} clips were done before")
    if not todo:
        return []
    outcomes = each_clip(todo, config.output, config.workers, config.ray_address)
    undone = follow(outcomes, len(todo), "clips", console)
    return [Refusal(outcome.name, "failed", outcome.reason) for outcome in undone if outcome.end == "failed"]


def _check(config: CorpusConfig) -> None:
    if not 0 <= config.held_out < 1:
        raise InputError(f"--held-out {config.held_out}: a share of the speakers is meant, from 0 to below 1")
    if config.workers is not None and config.workers < 1:
        raise InputError(f"--workers {config.workers}: at least one is needed")
    for name in ("corpus.json", "report.json", "report.png"):
        need_place(config.output / name)
    spare_inputs(config.output, (config.videos, config.speaker_table))
