"""A capture directory and a model that can be checked by hand, without a video or a training."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from audio_motion.models.checkpoint import TrainedPostNet, load_generator, save_postnet
from audio_motion.models.face_statistics import measure_face
from audio_motion.models.postnet import PostNet, PostNetConfig
from audio_motion.models.pretrained import PRETRAINED_GENERATOR
from audio_motion.sequence import LandmarkSequence, Producer
from audio_motion.topology import TEMPLATE
from geneface_ns.capture_format.capture import Capture
from geneface_ns.renderers.contract import Layers
from geneface_ns.scene.camera import Pinhole
from geneface_ns.scene.condition import Condition
from geneface_ns.scene.portrait import TalkingPortrait
from geneface_ns.trained.checkpoint import FOLDER, PREFIX, described, write
from geneface_ns.trained.methods import method_of


def head_nods(count: int, fps: float = 25.0) -> np.ndarray:
    """Camera poses [T, 4, 4] in front of a head that nods by 0.1 rad and shakes by 0.15 rad, 3 units away."""
    time = np.arange(count) / fps
    turns = np.stack([0.1 * np.sin(2.1 * time), 0.15 * np.sin(1.3 * time + 1), 0 * time], axis=1)
    c2w = np.tile(np.eye(4), (count, 1, 1))
    c2w[:, :3, :3] = Rotation.from_rotvec(turns).as_matrix()
    c2w[:, :3, 3] = c2w[:, :3, 2] * 3
    return c2w


def make_capture(folder: Path, frames: int = 44, fps: float = 25.0, size: int = 32, person: str = "anna") -> Path:
    """A capture directory of one colour a frame: red is 4 x the frame's number."""
    for name in ("images", "masks", "torso"):
        (folder / name).mkdir(parents=True)
    c2w = head_nods(frames, fps)
    landmarks = np.tile(TEMPLATE, (frames, 1, 1)).astype(np.float32)
    entries = []
    for i in range(frames):
        image = np.zeros((size, size, 3), np.uint8)
        image[..., 2] = 4 * i
        cv2.imwrite(str(folder / f"images/{i:05d}.png"), image)
        mask = np.zeros((size, size), np.uint8)
        mask[8:24, 8:24] = 1
        cv2.imwrite(str(folder / f"masks/{i:05d}.png"), mask)
        cv2.imwrite(str(folder / f"torso/{i:05d}.png"), np.zeros((size, size, 4), np.uint8))
        entries.append(
            {
                "file_path": f"images/{i:05d}.png",
                "transform_matrix": c2w[i].tolist(),
                "time": i / fps,
                "split": "train" if i < frames * 10 // 11 else "test",
                "face_box": [8, 8, 24, 24],
                "lips_box": [12, 16, 20, 20],
                "body": [[1, 0, float(i)], [0, 1, 0]],
                "valid": True,
            }
        )
    cv2.imwrite(str(folder / "background.png"), np.zeros((size, size, 3), np.uint8))
    camera = {"w": size, "h": size, "fl_x": 100.0, "fl_y": 100.0, "cx": size / 2, "cy": size / 2}
    (folder / "transforms.json").write_text(
        json.dumps(
            {"schema_version": 1, "person": person, "fps": fps, **camera, "head_box": [[-1] * 3, [1] * 3]}
            | {"body_reference": 0, "frames": entries}
        )
    )
    with wave.open(str(folder / "audio.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(np.zeros(int(frames / fps * 16000), np.int16).tobytes())
    LandmarkSequence(
        landmarks=landmarks,
        fps=fps,
        eye_openness=np.full((frames, 2), 0.3, np.float32),
        valid=np.ones(frames, bool),
        person=person,
        producer=Producer("tracker", "made up"),
    ).save(folder / "landmarks.npz")
    return folder


class FakeRenderer:
    """Paints body x in red and the upper lip's height in green, or the underlay alone; keeps the poses."""

    device = torch.device("cpu")
    camera = Pinhole((100.0, 100.0), (16.0, 16.0), (32, 32))
    capture_size = (32, 32)

    def __init__(self) -> None:
        self.poses: list[np.ndarray] = []

    def render(
        self,
        condition: Condition,
        camera: Pinhole,
        c2w: torch.Tensor | None = None,
        underlay: torch.Tensor | None = None,
        wanted: torch.Tensor | None = None,
    ) -> Layers:
        self.poses.append(condition.c2w[0].numpy())
        image = torch.zeros(camera.size[1], camera.size[0], 3)
        if underlay is not None:
            image = underlay[..., :3]
        else:
            image[..., 0] = condition.body[0, 0, 2] * (self.capture_size[0] / 2) / 255
            image[..., 1] = condition.landmarks[0, 62, 1]
        nothing = torch.zeros_like(image[..., :1])
        whole = torch.cat([image, torch.ones_like(nothing)], dim=-1).clamp(0, 1)
        return Layers(
            image.clamp(0, 1), torch.zeros_like(image), nothing, nothing, None if underlay is not None else whole
        )


def write_run(run: Path, capture: Capture, portrait: TalkingPortrait, config: object, step: int = 9) -> Path:
    """A run's folder as `ns-train` leaves it, as far as we read it.

    Args:
        config: the portrait's sizes, of either method.
    """
    tensors = {PREFIX + name: value for name, value in portrait.state_dict().items()}
    contents = {"step": step, "pipeline": tensors, **described(capture, 1, config)}
    write(run / FOLDER / f"step-{step:09d}.ckpt", contents)
    named = f"method_name: {method_of(config).name}"
    (run / "config.yml").write_text(f"!!python/object:nerfstudio.engine.trainer.TrainerConfig\n{named}\n")
    return run


def write_postnet(path: Path, capture: Capture, size: PostNetConfig | None = None, moved: float = 0.05) -> Path:
    """A post-net for the package's generator, as fitted to a capture: it moves every landmark by as much."""
    known = capture.is_train & capture.valid
    landmarks, eyes = capture.landmarks.landmarks[known], capture.landmarks.eye_openness[known]
    model = PostNet(size or PostNetConfig(hidden=8))
    torch.nn.init.constant_(model.leave.bias, moved)  # type: ignore[arg-type]
    face = measure_face(capture.name, landmarks, eyes)
    package = load_generator(PRETRAINED_GENERATOR)
    save_postnet(path, TrainedPostNet(model, face, package.sha256, {}, package.features, ""))
    return path
