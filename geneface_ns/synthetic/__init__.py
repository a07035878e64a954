"""The procedural person: a talking head drawn by our own code, with exact truth. Demo, test fixture and toy corpus.

    from geneface_ns.synthetic import Truth, speech_names, write_clip
    truth = write_clip(Path("anna.mp4"), seed=1, speech=speech_names("train"), size=256, fps=25)
    truth.landmarks, truth.c2w, truth.fl, truth.eye_openness, truth.body, truth.frame(10).labels, truth.background
    Truth.load(Path("anna.truth.npz"))

A seed is a person (`Identity.from_seed`) and a way of speaking (`Style.from_seed`). No real person is drawn.
"""

from geneface_ns.synthetic.clip import Truth, draw, make_truth, write_clip, write_sound
from geneface_ns.synthetic.identity import Identity, Style
from geneface_ns.synthetic.speech import Speech, load_speech, speech_names, speech_track

__all__ = [
    "Identity",
    "Speech",
    "Style",
    "Truth",
    "draw",
    "load_speech",
    "make_truth",
    "speech_names",
    "speech_track",
    "write_clip",
    "write_sound",
]
