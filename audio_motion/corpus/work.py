"""The work on one clip, to the end: its result, or why there is none, lies in the corpus's folder."""

from __future__ import annotations

from pathlib import Path

import cv2

from audio_motion.corpus.clip import ClipWork, Refused, make_clip
from audio_motion.corpus.store import Refusal, Store
from audio_motion.errors import InputError
from audio_motion.parallel import Outcome


def work_in_a_worker(task: tuple[ClipWork, Path]) -> Outcome:
    """`work_on` in a process that is one of as many as there are cores."""
    cv2.setNumThreads(1)  # all others follow the environment
    return work_on(*task)


def work_on(work: ClipWork, output: Path) -> Outcome:
    """Make a clip, or refuse it, and write the result to the corpus's folder."""
    store, name = Store(output), work.source.name
    refusal: Refusal | None
    try:
        try:
            clip = make_clip(work)
        except Refused as refused:
            refusal = Refusal(name, refused.kind, str(refused))
        else:
            refusal = None
    except Exception as error:  # one clip must not stop the others
        return Outcome(name, "failed", reason=f"{type(error).__name__}: {error}")
    try:
        if refusal is not None:
            store.save_refusal(work.key, refusal)
            return Outcome(name, "refused", reason=refusal.reason)
        store.save_clip(clip)
    except InputError as error:
        return Outcome(name, "unwritten", reason=str(error))
    return Outcome(name, "done", seconds=clip.record.seconds, notes=clip.notes)
