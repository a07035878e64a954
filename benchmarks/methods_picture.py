"""The picture of `methods.py`: a frame in each row, real and by every method, beside the mouths enlarged."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from audio_motion.files import written_whole
from audio_motion.topology import mouth_opening
from geneface_ns.capture_format.capture import Capture
from geneface_ns.evaluation.metrics import crop
from geneface_ns.evaluation.panels import side_by_side
from geneface_ns.motion.sequence import MotionFrame, held
from geneface_ns.motion.speech import motion_of_speech
from geneface_ns.motion.voice import voice_of
from geneface_ns.output.drive import render_one
from geneface_ns.renderers.contract import Renderer
from geneface_ns.scene.frames import FrameStore

BLINK = 0.5
"""Of the usual openness of the eyes: shut further than that is a blink."""
MOUTH = 1.5
"""Side of the square around the mouth, in lengths of the lips' box."""
FURTHER = 10.0
"""Degrees that the head is turned further than in the frame where it is turned most."""
QUALITY = 80
"""Of WebP, 0 to 100."""


def telling_frames(capture: Capture, test: np.ndarray) -> dict[str, int]:
    """Frames of those given in which heads differ most, by what they show.

    Args:
        test: int64 [N] frame numbers.

    Returns:
        A blink only where there is one.
    """
    landmarks = capture.landmarks
    opening = mouth_opening(landmarks.landmarks[test])
    facing = capture.c2w[:, :3, 2]
    mean = facing[capture.is_train & capture.valid].mean(axis=0)
    open_eyes = landmarks.eye_openness.mean(axis=1)
    chosen = {
        "mouth shut": int(test[opening.argmin()]),
        "wide open": int(test[opening.argmax()]),
        "head turned": int(test[(facing[test] @ mean).argmin()]),
    }
    if open_eyes[test].min() < BLINK * np.median(open_eyes[capture.valid]):
        chosen["blink"] = int(test[open_eyes[test].argmin()])
    return chosen


def turned_on(c2w: np.ndarray, degrees: float) -> np.ndarray:
    """A pose [4, 4] whose head is turned further to the side where it is turned to."""
    angle = np.radians(np.copysign(degrees, c2w[0, 2]))
    about_y = np.eye(4)
    about_y[[0, 0, 2, 2], [0, 2, 0, 2]] = np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)
    return (about_y @ c2w).astype(np.float32)


def mouth_of(picture: np.ndarray, lips_box: np.ndarray) -> np.ndarray:
    """The square around the mouth, as large as the picture [H, W, 3]; `lips_box` [4] in its pixels."""
    centre, half = (lips_box[:2] + lips_box[2:]) / 2, MOUTH * (lips_box[2:] - lips_box[:2]).max() / 2
    square = crop(picture, np.concatenate([centre - half, centre + half]), margin=0.0)
    return cv2.resize(square, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)


def row(name: str, pictures: Mapping[str, np.ndarray], lips_box: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3]: a frame by everybody, and the mouths."""
    named = {f"{name}: {who}": picture for who, picture in pictures.items()}
    mouths = {f"{who}, mouth": mouth_of(picture, lips_box) for who, picture in pictures.items()}
    return side_by_side(named | mouths)


def draw_picture(
    renderers: Mapping[str, Renderer], capture: Capture, downscale: int, generator: str, output: Path
) -> None:
    """Write the picture: frames driven by the tracked face, the head that is turned most turned further than it was
    filmed, and frames driven by the sound of the same moments.

    Args:
        renderers: one a method.
        downscale: of the pictures that they were trained on.
        generator: what turns speech into motion, as in `geneface evaluate`.
    """
    test = np.flatnonzero(~capture.is_train)
    voice = voice_of(capture, generator)
    speech = held(motion_of_speech(capture.layout.audio, voice, capture, 0, 1.0, start=float(test[0] / capture.fps)))
    said = dict(zip(test.tolist(), islice(speech, len(test)), strict=True))
    tracked = {
        index: MotionFrame(capture.landmarks.landmarks[index], capture.landmarks.eye_openness[index])
        for index in test.tolist()
    }
    valid = test[capture.valid[test]]
    openings = np.array([mouth_opening(said[index].landmarks) for index in valid.tolist()])
    order = valid[openings.argsort()]
    heard = {"speech, shut": order[0], "speech, half": order[len(order) // 2], "speech, open": order[-1]}
    store = FrameStore(capture, downscale)

    def row_of(name: str, index: int, c2w: np.ndarray, face: MotionFrame, what: str = "real") -> np.ndarray:
        drawn = {who: render_one(renderer, c2w, capture.body[index], face, store.size) for who, renderer in them}
        return row(name, {what: store.frame(index).image} | drawn, capture.lips_box[index] / downscale)

    them, telling = renderers.items(), telling_frames(capture, valid)
    most = telling["head turned"]
    rows = [
        *(row_of(name, index, capture.c2w[index], tracked[index]) for name, index in telling.items()),
        row_of(f"{FURTHER:.0f} deg on", most, turned_on(capture.c2w[most], FURTHER), tracked[most], "filmed"),
        *(row_of(name, int(index), capture.c2w[index], said[int(index)]) for name, index in heard.items()),
    ]
    with written_whole(output) as temporary:
        Image.fromarray(np.concatenate(rows)).save(temporary, quality=QUALITY, method=6)
