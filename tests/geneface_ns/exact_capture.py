"""A capture directory written from the procedural person's truth: exact poses, landmarks, masks and layers."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from geneface_ns.synthetic.clip import Truth, make_truth, write_sound
from geneface_ns.synthetic.speech import speech_names, speech_track


def write_exact_capture(folder: Path, size: int = 64, frames: int = 33, fps: float = 12.5, seed: int = 1) -> Truth:
    """Write `folder` in the format of docs/conventions.md; returns the truth it was made from."""
    speech = speech_track(speech_names("train")[:1], seed)
    truth = make_truth(seed, speech, (size, size), fps, frames)
    for name in ("images", "masks", "torso"):
        (folder / name).mkdir(parents=True)
    entries = []
    for i in range(len(truth)):
        drawn = truth.frame(i)
        cv2.imwrite(str(folder / f"images/{i:05d}.png"), drawn.rgb[..., ::-1])
        cv2.imwrite(str(folder / f"masks/{i:05d}.png"), drawn.labels)
        torso = (truth.torso(i) * 255 + 0.5).astype(np.uint8)
        cv2.imwrite(str(folder / f"torso/{i:05d}.png"), torso[..., [2, 1, 0, 3]])
        points = truth.points2d[i]
        lips, face = points[48:], points[17:]
        entries.append(
            {
                "file_path": f"images/{i:05d}.png",
                "transform_matrix": truth.c2w[i].tolist(),
                "time": i / fps,
                "split": "train" if i < len(truth) * 10 // 11 else "test",
                "face_box": [*face.min(axis=0), *face.max(axis=0)],
                "lips_box": [*lips.min(axis=0), *lips.max(axis=0)],
                "body": truth.body[i].tolist(),
                "valid": True,
            }
        )
    cv2.imwrite(str(folder / "background.png"), truth.background[..., ::-1])
    camera = {"w": size, "h": size, "fl_x": truth.fl, "fl_y": truth.fl, "cx": truth.cx, "cy": truth.cy}
    about = {"schema_version": 1, "person": truth.sequence().person, "fps": fps, "body_reference": 0}
    box = {"head_box": [[-0.9, -1.0, -0.6], [0.9, 1.1, 0.75]]}
    (folder / "transforms.json").write_text(json.dumps({**about, **camera, **box, "frames": entries}))
    truth.sequence().save(folder / "landmarks.npz")
    write_sound(folder / "audio.wav", speech.sound[: int(frames / fps * 16000)])
    return truth
