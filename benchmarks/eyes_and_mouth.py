"""Every state of the eyes with every state of the mouth, on the procedural person, against the exact picture.

    python benchmarks/eyes_and_mouth.py --picture eyes.png
    python benchmarks/eyes_and_mouth.py --training.eyes-share 0 --training.even-share 0

A head without torso is trained on the person's exact capture (160², 24 s) by the core's loop, and shown from one pose
with five states of the eyes, open to shut, and five of the mouth. *Exact*: driven by the true landmarks; *drawn*: by
lids drawn into the mean face, as a generator's are. The errors are those of boxes around each eye and the mouth. The
picture has a row for each state of the eyes: as it is and as rendered, for each mouth.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
import tyro
from machine import describe

from audio_motion.topology import BROWS, EYES, LEFT_EYE, MOUTH, RIGHT_EYE, mouth_opening
from geneface_ns.capture_format.capture import Capture, load_capture
from geneface_ns.motion.eyes import with_eyes
from geneface_ns.nerf.draws import ray_source, whole_pixels
from geneface_ns.nerf.loop import TrainingConfig, train
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.nerf.warm_start import start_from_pictures
from geneface_ns.renderers.reference import ReferenceRenderer
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.prepared import prepare
from geneface_ns.synthetic.clip import Truth
from geneface_ns.synthetic.exact_capture import write_exact_capture

SHUT = (0.0, 0.25, 0.5, 0.75, 1.0)
MOUTHS = (0.05, 0.35, 0.65, 0.9, 0.99)
"""Quantiles of the mouth's opening."""


@dataclass
class EyesAndMouth:
    """What is trained."""

    steps: int = 1500
    """Of the head."""
    picture: Path | None = None
    """Where what was seen goes."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """How it is trained."""


def trained(capture: Capture, config: TrainingConfig, steps: int) -> Portrait:
    config.head_steps = steps
    torch.manual_seed(0)
    portrait = Portrait(capture, 1, PortraitConfig())
    frames = np.flatnonzero(capture.is_train)
    start_from_pictures(portrait, FrameStore(capture), frames)
    source = ray_source(capture, prepare(capture, 1, config.neck_reach), 1)
    for _ in train(portrait, source, torch.from_numpy(frames), steps, config):
        pass
    return portrait.eval()


def boxes(face: Truth) -> dict[str, np.ndarray]:
    """Whole pixels [4] around each eye and the mouth of a truth of one frame."""
    parts = {"left": LEFT_EYE, "right": RIGHT_EYE, "mouth": MOUTH}
    places = {name: face.points2d[0, part] for name, part in parts.items()}
    ends = {name: np.concatenate([p.min(axis=0), p.max(axis=0)])[None] for name, p in places.items()}
    return {name: whole_pixels(box, (face.width, face.height), 0.2)[0] for name, box in ends.items()}


def cut(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    return picture[box[1] : box[3], box[0] : box[2]]


def db(squared: np.ndarray) -> str:
    return f"{-10 * np.log10(squared.mean()):.1f}"


def main(config: EyesAndMouth) -> None:
    print(describe())
    with tempfile.TemporaryDirectory() as temporary:
        truth = write_exact_capture(Path(temporary) / "capture", size=160, frames=600, fps=25.0)
        capture = load_capture(Path(temporary) / "capture")
        portrait = trained(capture, config.training, config.steps)
    order, mean = np.argsort(mouth_opening(truth.landmarks)), capture.mean_landmarks
    mouths = [int(order[int(q * (len(order) - 1))]) for q in MOUTHS]
    pose = int(np.abs(capture.c2w - np.median(capture.c2w, axis=0)).sum(axis=(1, 2)).argmin())
    table = portrait.table(torch.from_numpy(capture.times[[pose]]))
    open_eyes = boxes(truth.with_face(pose, mouths[0], blink_left=0.0, blink_right=0.0))
    print("| lids | eyes by state, open to shut | all eyes | worst | mouth | worst | eyes follow the mouth, of 255 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for lids in ("exact", "drawn"):
        eyes, lips, views, rows = np.zeros((5, 5)), np.zeros((5, 5)), [], []
        for state, shut in enumerate(SHUT):
            row = []
            for number, mouth in enumerate(mouths):
                face = truth.with_face(pose, mouth, blink_left=shut, blink_right=shut, gaze_x=0.0, gaze_y=0.0, brow=0.0)
                landmarks = face.landmarks.copy()
                if lids == "drawn":
                    for part in (BROWS, EYES):
                        landmarks[:, part] = mean[part]
                    landmarks = with_eyes(landmarks, face.eye_openness, mean).astype(np.float32)
                driven = torch.from_numpy(landmarks), torch.from_numpy(face.eye_openness)
                rgb = ReferenceRenderer(portrait).render(Condition(*driven, table.c2w, table.body), portrait.camera).rgb
                shown, real = (rgb * 255).round().byte().numpy(), face.frame(0).rgb
                wrong = ((shown.astype(float) - real) / 255) ** 2
                eyes[state, number] = np.mean([cut(wrong, open_eyes[side]).mean() for side in ("left", "right")])
                lips[state, number] = cut(wrong, boxes(face)["mouth"]).mean()
                views.append(cut(shown, open_eyes["left"]))
                row += [cut(real, open_eyes["left"]), views[-1]]
            rows.append(np.concatenate(row, axis=1))
        seen = np.stack(views).reshape(5, 5, *views[0].shape).astype(float)
        follow = np.sqrt(((seen - seen[:, :1]) ** 2)[:, 1:].mean())
        states = " ".join(db(row) for row in eyes)
        print(
            f"| {lids} | {states} | {db(eyes)} | {db(eyes.max())} | {db(lips)} | {db(lips.max())} | {follow:.2f} |",
            flush=True,
        )
        if config.picture is not None and lids == "exact":
            large = cv2.resize(np.concatenate(rows), None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(config.picture), large[..., ::-1])


if __name__ == "__main__":
    main(tyro.cli(EyesAndMouth))
