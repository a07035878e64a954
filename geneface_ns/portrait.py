"""The portrait: a head over a torso over a background, driven by landmarks. Plain torch, nothing of nerfstudio."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from geneface_ns.data.capture import Capture
from geneface_ns.data.frames import FrameStore, read_png
from geneface_ns.fields.head import HeadField, HeadFieldConfig
from geneface_ns.fields.torso import REACH, TorsoField, TorsoFieldConfig
from geneface_ns.pose import body_in_image_units, invert_affine, motion_features
from geneface_ns.sampling import Occupancy, Samples, accumulate, pinhole_directions, render_weights


class Condition(NamedTuple):
    """What drives B frames."""

    landmarks: Tensor
    """[B, 68, 3], head frame."""
    eye_openness: Tensor
    """[B, 2]."""
    c2w: Tensor
    """[B, 4, 4], the capture camera of the frame."""
    body: Tensor
    """[B, 2, 3] body motion, the image as [-1, 1]^2."""


class HeadRays(NamedTuple):
    """The head along N rays."""

    colour: Tensor
    """[N, 3], premultiplied by opacity."""
    opacity: Tensor
    """[N, 1]."""
    depth: Tensor
    """[N, 1], premultiplied by opacity."""
    samples: Samples
    weight: Tensor
    """[M] of each sample in its pixel."""


def lay_over(head: Tensor, opacity: Tensor, underlay: Tensor) -> Tensor:
    """The head over what lies behind it, and under what lies before it.

    The neck moves with the head and the collar with the body: where the collar covers the neck, no rigid head can
    follow its edge, so the torso may cover the head.

    Args:
        head: [..., 3] premultiplied colour; opacity: [..., 1].
        underlay: [..., 4] colour, and how much of it lies before the head.

    Returns:
        [..., 3].
    """
    visible = 1 - underlay[..., 3:]
    return visible * head + (1 - visible * opacity) * underlay[..., :3]


class Pinhole(NamedTuple):
    """A camera for whole pictures, pixels."""

    focal: tuple[float, float]
    centre: tuple[float, float]
    size: tuple[int, int]
    """Width and height."""

    def scaled_to(self, size: tuple[int, int]) -> Pinhole:
        """The same view in another picture size."""
        x, y = size[0] / self.size[0], size[1] / self.size[1]
        return Pinhole((self.focal[0] * x, self.focal[1] * y), (self.centre[0] * x, self.centre[1] * y), size)

    def directions(self, pixels: Tensor, c2w: Tensor) -> Tensor:
        """Ray directions in the head frame of flat pixel indices [N] -> [N, 3]."""
        centres = torch.stack([pixels % self.size[0], pixels // self.size[0]], dim=1) + 0.5
        return pinhole_directions(centres, self.focal, self.centre) @ c2w[:3, :3].T


class Portrait(nn.Module):
    """A person's head and torso fields, and the table of what the capture's own frames were driven by.

    The table is a buffer, looked up by time (0 first frame, 1 last), so that a checkpoint drives itself with the
    capture's own motion.
    """

    table_landmarks: Tensor
    table_eyes: Tensor
    table_c2w: Tensor
    table_body: Tensor

    def __init__(
        self,
        capture: Capture,
        downscale: int,
        head: HeadFieldConfig,
        torso: TorsoFieldConfig,
        sample_step: float,
        occupancy_resolution: int,
        rays_per_chunk: int,
    ) -> None:
        """
        Args:
            downscale: whole factor by which the training pictures are reduced.
            sample_step: distance between samples along a ray, units.
            occupancy_resolution: cells along each axis of the head's box.
            rays_per_chunk: rays rendered at once in whole pictures.
        """
        super().__init__()
        size = (capture.width // downscale, capture.height // downscale)
        self.camera = Pinhole(
            (capture.focal[0] / downscale, capture.focal[1] / downscale),
            (capture.centre[0] / downscale, capture.centre[1] / downscale),
            size,
        )
        self.capture_size = (capture.width, capture.height)
        self.rays_per_chunk = rays_per_chunk
        self.register_buffer("table_landmarks", torch.from_numpy(capture.landmarks.landmarks))
        self.register_buffer("table_eyes", torch.from_numpy(capture.landmarks.eye_openness))
        self.register_buffer("table_c2w", torch.from_numpy(capture.c2w))
        self.register_buffer("table_body", body_in_image_units(torch.from_numpy(capture.body), *self.capture_size))
        train = torch.from_numpy(np.flatnonzero(capture.is_train & capture.valid))
        box = torch.from_numpy(capture.head_box)
        self.head = HeadField(head, box, self.table_landmarks[train], self.table_eyes[train])
        self.torso = TorsoField(torso, *size, motion_features(self.table_c2w[train], self.table_body[train]))
        self.occupancy = Occupancy(box, occupancy_resolution, sample_step)

    @property
    def device(self) -> torch.device:
        """Where the portrait is."""
        return self.table_c2w.device

    @torch.no_grad()
    def start_from_pictures(self, store: FrameStore, frames: np.ndarray, views: int = 40) -> None:
        """Carve the head's visual hull and take the mean torso and the background.

        Args:
            store: the capture's frames at the training size.
            frames: int64 [N] training frames, of which up to `views` spread over the capture are looked at.
        """
        picks = frames[np.linspace(0, len(frames) - 1, min(views, len(frames))).astype(int)]
        width, height = self.camera.size
        kernel = np.ones((2 * max(1, width // 40) + 1,) * 2, np.uint8)
        masks = np.stack([cv2.dilate((store.frame(int(i)).head > 0).astype(np.uint8), kernel) > 0 for i in picks])
        poses = self.table_c2w[torch.from_numpy(picks)]
        self.occupancy.carve(torch.from_numpy(masks).to(self.device), poses, self.camera.focal, self.camera.centre)

        def reduced(pixels: np.ndarray) -> Tensor:
            picture = torch.from_numpy(pixels).float().permute(2, 0, 1)[None] / 255
            return F.interpolate(picture, size=(height, width), mode="area")

        rows, columns = self.torso.torso_picture.shape[1:]
        y = ((torch.arange(rows) + 0.5) / rows * 2 - 1) * REACH
        x = ((torch.arange(columns) + 0.5) / columns * 2 - 1) * REACH
        position = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # [rows, columns, 2]
        total = torch.zeros(4, rows, columns)
        for i in picks:
            rgba = reduced(read_png(store.capture.torso_path(int(i))))
            rgba[:, :3] *= rgba[:, 3:]
            affine = self.table_body[int(i)].cpu()
            moved = position @ affine[:, :2].T + affine[:, 2]
            total += F.grid_sample(rgba, moved[None], align_corners=False, padding_mode="border")[0]
        torso = torch.cat([total[:3] / total[3:].clamp_min(1e-4), total[3:] / len(picks)])
        background = reduced(read_png(store.capture.folder / "background.png"))
        background = F.grid_sample(background, position[None], align_corners=False, padding_mode="border")[0]
        self.torso.start_from(torso.to(self.device), background.to(self.device))

    def condition_at(self, times: Tensor) -> Condition:
        """The capture's own condition at times [B] (0 first frame, 1 last), linear between frames."""
        last = len(self.table_landmarks) - 1
        position = times.clamp(0, 1) * last
        low = position.floor().long().clamp_max(max(last - 1, 0))
        high = (low + 1).clamp_max(last)
        weight = position - low

        def mix(table: Tensor) -> Tensor:
            return torch.lerp(table[low], table[high], weight.view(-1, *[1] * (table.dim() - 1)))

        nearest = torch.where(weight < 0.5, low, high)
        return Condition(mix(self.table_landmarks), mix(self.table_eyes), self.table_c2w[nearest], mix(self.table_body))

    def render_head(
        self, condition: Condition, origins: Tensor, directions: Tensor, frame: Tensor, step: float | None = None
    ) -> HeadRays:
        """The head along rays.

        Args:
            condition: of B frames.
            origins, directions: [N, 3], head frame.
            frame: int64 [N], index into B.
            step: another distance between samples than the portrait's own.
        """
        pose = self.torso.normalised(motion_features(condition.c2w, condition.body))[:, :6].clamp(-4, 4)
        state = self.head.frame_state(condition.landmarks, condition.eye_openness, pose)
        samples = self.occupancy.sample(origins, directions, jitter=self.training, step=step)
        density, colour = self.head(state, samples.points, frame[samples.ray])
        weight = render_weights(samples, density)
        rgb, opacity, depth = accumulate(samples, weight, colour)
        return HeadRays(rgb, opacity[:, None], depth[:, None], samples, weight)

    def render_torso(self, condition: Condition, pixel: Tensor, frame: Tensor, head: Tensor) -> Tensor:
        """What lies behind and before the head, [N, 4] as `lay_over` takes it.

        Args:
            pixel: [N, 2], the image being [-1, 1]^2, y down.
            head: [N, 4] rendered colour (premultiplied) and opacity of the head there.
        """
        motion = motion_features(condition.c2w, condition.body)
        return self.torso(pixel, frame, invert_affine(condition.body), motion, head)

    @torch.no_grad()
    def render_frame(
        self,
        c2w: Tensor,
        landmarks: Tensor,
        eye_openness: Tensor,
        body: Tensor,
        size: tuple[int, int],
        underlay: Tensor | None = None,
    ) -> Tensor:
        """One frame as the capture's camera sees it.

        Args:
            c2w: [4, 4] camera to head frame.
            landmarks: [68, 3], head frame.
            eye_openness: [2].
            body: [2, 3] the torso's affine motion, capture pixels (transforms.json).
            size: width and height of the picture wanted.
            underlay: [H, W, 4] in [0, 1], as `lay_over` takes it: instead of the rendered torso.

        Returns:
            [H, W, 3] in [0, 1].
        """
        condition = Condition(
            landmarks[None].to(self.device),
            eye_openness[None].to(self.device),
            c2w[None].to(self.device),
            body_in_image_units(body[None].to(self.device), *self.capture_size),
        )
        return self.render_picture(condition, condition.c2w[0], self.camera.scaled_to(size), underlay=underlay)["rgb"]

    @torch.no_grad()
    def render_picture(
        self,
        condition: Condition,
        c2w: Tensor,
        camera: Pinhole,
        board: Tensor | None = None,
        underlay: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Head over torso for one pinhole camera.

        Args:
            condition: of one frame.
            c2w: [4, 4] of the camera.
            board: [H W, 2] where each pixel meets the torso's plane; None: the camera is the capture's own.
            underlay: [H, W, 4] in [0, 1], as `lay_over` takes it: instead of the rendered torso.

        Returns:
            rgb in [0, 1] and head (premultiplied) [H, W, 3]; accumulation and depth [H, W, 1].
        """
        width, height = camera.size
        count = width * height
        head = torch.zeros(count, 5, device=self.device)  # colour, opacity, depth
        seen = self.occupancy.image_mask(c2w, camera.focal, camera.centre, camera.size).view(-1).nonzero()[:, 0]
        for pixels in seen.split(self.rays_per_chunk):
            directions = camera.directions(pixels, c2w)
            origins = c2w[:3, 3].expand_as(directions)
            rays = self.render_head(condition, origins, directions, torch.zeros_like(pixels))
            head[pixels] = torch.cat([rays.colour, rays.opacity, rays.depth], dim=1)
        opacity = head[:, 3:4]
        if underlay is not None:
            around = underlay.to(self.device).reshape(-1, 4)
        else:
            if board is None:
                x = (torch.arange(width, device=self.device) + 0.5) / width * 2 - 1
                y = (torch.arange(height, device=self.device) + 0.5) / height * 2 - 1
                board = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)
            frame = torch.zeros(count, dtype=torch.long, device=self.device)
            around = self.render_torso(condition, board, frame, head[:, :4])
        pictures = {
            "rgb": lay_over(head[:, :3], opacity, around).clamp(0, 1),
            "head": head[:, :3],
            "accumulation": opacity,
            "depth": head[:, 4:] / opacity.clamp_min(1e-4),
        }
        return {name: value.reshape(height, width, -1) for name, value in pictures.items()}
