"""A talking video of an avatar, and the exact truth about it."""

from __future__ import annotations

import json
import tempfile
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from audio_motion.errors import InputError
from audio_motion.files import written_whole
from audio_motion.sequence import LandmarkSequence, Producer
from audio_motion.topology import TEMPLATE, eye_openness, fit_similarity
from geneface_ns.output.video import VideoWriter
from geneface_ns.synthetic.expression import Expression
from geneface_ns.synthetic.head import Head
from geneface_ns.synthetic.identity import Identity, Style
from geneface_ns.synthetic.motion import motion
from geneface_ns.synthetic.scene import DISTANCE, Camera, Rendered, Renderer, body_affine, head_to_world
from geneface_ns.synthetic.speech import RATE, Speech, speech_names, speech_track

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Truth:
    """What is true of a clip, in the frames and units of docs/conventions.md; draws its frames and masks again."""

    seed: int
    """Of the identity."""
    style_seed: int
    width: int
    height: int
    fps: float
    phones: tuple[tuple[str, float, float], ...]
    """(name, start, end), seconds."""
    c2w: np.ndarray
    """float64 [T, 4, 4], camera to head frame."""
    fl: float
    """Focal length, px; the same in x and y."""
    cx: float
    cy: float
    landmarks: np.ndarray
    """float32 [T, 68, 3], head frame."""
    body: np.ndarray
    """float64 [T, 2, 3], px: the torso of frame 0 -> this frame."""
    _expression: np.ndarray
    """float64 [T, channels], as drawn."""
    _pose: np.ndarray
    """float64 [T, 4, 4], head to world, template's frame and unit."""
    _rest_body: np.ndarray
    """float64 [T, 2, 3], px: the torso at rest -> this frame."""

    def __len__(self) -> int:
        return len(self.c2w)

    @property
    def eye_openness(self) -> np.ndarray:
        """float32 [T, 2], the eye on the image's left first."""
        return eye_openness(self.landmarks).astype(np.float32)

    @property
    def points2d(self) -> np.ndarray:
        """float64 [T, 68, 2], px: the landmarks projected."""
        w2c = np.linalg.inv(self.c2w)
        p = np.einsum("tij,tnj->tni", w2c[:, :3, :3], self.landmarks) + w2c[:, None, :3, 3]
        return np.array([self.cx, self.cy]) + self.fl * p[..., :2] / -p[..., 2:] * [1, -1]

    def body_from(self, reference: int) -> np.ndarray:
        """float64 [T, 2, 3], px: the torso of frame `reference` -> every frame."""
        square = np.concatenate([self.body, np.tile([[[0.0, 0.0, 1.0]]], (len(self), 1, 1))], 1)
        return (square @ np.linalg.inv(square[reference]))[:, :2]

    def sequence(self) -> LandmarkSequence:
        """The landmarks as the exchange format."""
        return LandmarkSequence(
            landmarks=self.landmarks,
            fps=self.fps,
            eye_openness=self.eye_openness,
            valid=np.ones(len(self), bool),
            person=f"avatar-{self.seed}",
            producer=Producer("avatar", "procedural", seed=self.style_seed),
        )

    @cached_property
    def renderer(self) -> Renderer:
        """Draws this clip's person at this clip's size."""
        return Renderer(Identity.from_seed(self.seed), Camera(self.width, self.height))

    def frame(self, index: int) -> Rendered:
        """Draw a frame again: its picture (before encoding) and its labels."""
        names = [f.name for f in fields(Expression)]
        values = dict(zip(names, self._expression[index].tolist(), strict=True))
        return self.renderer.render(Expression(**values), self._pose[index], self._rest_body[index])

    def with_face(self, pose: int, face: int, **changes: float) -> Truth:
        """One frame that was never filmed: a frame's pose with another one's face.

        Args:
            pose: index of the frame whose head and body are held; face: of the frame whose expression is shown;
            changes: of `Expression`.
        """
        names = [f.name for f in fields(Expression)]
        filmed = dict(zip(names, self._expression[face].tolist(), strict=True))
        shown = Expression(**filmed | changes)
        head = Head(Identity.from_seed(self.seed))
        # The one similarity that takes the person as drawn into their own head frame.
        drawn = head.landmarks(Expression(**filmed))
        scale, rotation, offset = fit_similarity(drawn, self.landmarks[face].astype(np.float64))
        landmarks = (scale * head.landmarks(shown) @ rotation.T + offset).astype(np.float32)
        held = {name: getattr(self, name)[pose : pose + 1] for name in ("c2w", "body", "_pose", "_rest_body")}
        expression = np.array([[getattr(shown, name) for name in names]])
        return replace(self, landmarks=landmarks[None], _expression=expression, **held)

    def torso(self, index: int) -> np.ndarray:
        """The torso of a frame without the head, float32 [H, W, 4], straight alpha."""
        return self.renderer.torso(self._rest_body[index])

    @property
    def background(self) -> np.ndarray:
        """uint8 [H, W, 3], the scene without the person."""
        return self.renderer.background

    def save(self, path: Path) -> None:
        """Write an .npz without pickle."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), np.ndarray)}
        info = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in arrays}
        info["schema_version"] = SCHEMA_VERSION
        with written_whole(Path(path)) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, info=np.array(json.dumps(info)), **arrays)

    @staticmethod
    def load(path: Path) -> Truth:
        """Read what `save` wrote.

        Raises:
            InputError: no such file, or not a truth of this schema version.
        """
        if not Path(path).is_file():
            raise InputError(f"{path}: no such file; `write_clip` makes it beside the video")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        info = json.loads(str(arrays.pop("info")))
        if info.pop("schema_version") != SCHEMA_VERSION:
            raise InputError(f"{path}: another schema version; make the clip again")
        info["phones"] = tuple((p, a, b) for p, a, b in info["phones"])
        return Truth(**info, **arrays)


def make_truth(
    seed: int, speech: Speech, size: tuple[int, int], fps: float, frames: int, style_seed: int | None = None
) -> Truth:
    """Everything about a clip, without drawing it.

    Args:
        seed: of the identity; style_seed: of the speaking style, the identity's where None; size: (width, height).
    """
    style = Style.from_seed(seed if style_seed is None else style_seed)
    camera = Camera(*size)
    moves = motion(speech.phones, style, frames, fps)
    head = Head(Identity.from_seed(seed))
    landmarks = np.stack([head.landmarks(moves.expression.at(i)) for i in range(frames)])
    pose = np.stack([head_to_world(a, s) for a, s in zip(moves.angles, moves.shift, strict=True)])
    # Into the person's own head frame: the similarity that best moves the mean landmarks onto the template.
    scale, rotation, offset = fit_similarity(landmarks.mean(0), TEMPLATE)
    camera_to_world = np.eye(4)
    camera_to_world[2, 3] = DISTANCE
    in_template = np.linalg.inv(pose) @ camera_to_world
    c2w = np.tile(np.eye(4), (frames, 1, 1))
    c2w[:, :3, :3] = rotation @ in_template[:, :3, :3]
    c2w[:, :3, 3] = scale * in_template[:, :3, 3] @ rotation.T + offset
    rest_body = np.stack(
        [
            body_affine(camera, turn, grow, move)
            for turn, grow, move in zip(moves.body_turn, moves.body_scale, moves.body_shift, strict=True)
        ]
    )
    square = np.concatenate([rest_body, np.tile([[[0.0, 0.0, 1.0]]], (frames, 1, 1))], 1)
    return Truth(
        seed=seed,
        style_seed=style.seed,
        width=size[0],
        height=size[1],
        fps=float(fps),
        phones=speech.phones,
        c2w=c2w,
        fl=camera.focal,
        cx=camera.centre[0],
        cy=camera.centre[1],
        landmarks=(scale * landmarks @ rotation.T + offset).astype(np.float32),
        body=(square @ np.linalg.inv(square[0]))[:, :2],
        _expression=np.stack([getattr(moves.expression, f.name) for f in fields(Expression)], 1),
        _pose=pose,
        _rest_body=rest_body,
    )


def draw(truth: Truth) -> Iterator[Rendered]:
    """All frames and label masks of a clip, one by one."""
    for index in range(len(truth)):
        yield truth.frame(index)


def write_sound(path: Path, sound: np.ndarray) -> None:
    """Write float32 [S] mono at 16 kHz as a 16-bit WAV."""
    with written_whole(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32767).round().astype("<i2").tobytes())


def write_clip(
    path: Path,
    seed: int = 1,
    speech: Sequence[str] | None = None,
    size: int | tuple[int, int] = 256,
    fps: float = 25.0,
    seconds: float | None = None,
    style_seed: int | None = None,
) -> Truth:
    """Write a talking video with sound (H.264, AAC) and its truth beside it (`<name>.truth.npz`).

    Args:
        path: the video, .mp4; seed: who speaks; speech: names of clips (see `speech_names`), by default the twelve
        training sentences; size: side, or (width, height), px; fps: frames per second; seconds: length, by default as
        long as the speech; style_seed: how it moves, by default the identity's own way.

    Raises:
        InputError: an unknown clip, an impossible size, rate or length, or a path that cannot be written.
    """
    width, height = (size, size) if isinstance(size, int) else size
    if min(width, height) < 32:
        raise InputError(f"an avatar of {width}x{height} px cannot be drawn; ask for at least 32")
    if not 1 <= fps <= 240:
        raise InputError(f"{fps} frames per second are not possible; choose 1 to 240")
    said = speech_track(list(speech) if speech is not None else speech_names("train"), seed, seconds)
    frames = max(1, round(said.duration * fps))
    truth = make_truth(seed, said, (width, height), fps, frames, style_seed)
    path = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "speech.wav"
        write_sound(sound, said.sound)
        with VideoWriter(path, (width, height), fps, sound, crf=16) as writer:
            for frame in draw(truth):
                writer.write(frame.rgb)
    truth.save(path.with_suffix(".truth.npz"))
    return truth
