"""`geneface camera-path`: a camera path around a trained head, for `ns-render camera-path` and `geneface render`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from audio_motion.errors import InputError


@dataclass
class CameraPathConfig:
    """Write a camera path in the format of nerfstudio's viewer: as filmed, or around that by --orbit, --keys, --track.

    `ns-render camera-path` and `geneface render --camera-path` show the same pictures of it. The camera is kept within
    the views that the person was filmed from."""

    run: Annotated[Path, tyro.conf.Positional]
    """The folder of a run of `ns-train`, its config.yml, a capture (its newest run), or a person file."""
    output: Annotated[Path, tyro.conf.Positional]
    """The camera path to write (.json)."""
    orbit: tuple[float, float] | None = None
    """Degrees of yaw and pitch: once round the filmed view, so far to the sides and up and down."""
    keys: tuple[tuple[float, float], ...] = ()
    """Degrees of yaw and pitch beside the filmed view, two a key view: smoothly from each to the next."""
    track: Path | None = None
    """Another capture (its folder or transforms.json), whose head motion about its mean the camera makes."""
    seconds: float | None = None
    """How long the path is; left out: as long as the part of the video that was learnt from, or as --track."""
    data: Path | None = None
    """The capture, where it no longer lies where the head was trained from."""

    def main(self) -> None:
        """Write the path.

        Raises:
            InputError: anything given cannot be used.
        """
        from audio_motion.files import need_output
        from geneface_ns.motion import camera_moves as moves
        from geneface_ns.motion.camera_path import field_of_view, write_path
        from geneface_ns.trained.load import load_trained
        from geneface_ns.trained.runs import resolve

        chosen = [name for name in ("orbit", "keys", "track") if getattr(self, name)]
        if len(chosen) > 1:
            raise InputError(f"--{' and --'.join(chosen)} exclude each other; give one of them")
        if self.output.suffix.lower() != ".json":
            raise InputError(f"{self.output}: a camera path is a .json file; name it so")
        need_output(self.output, (self.run, self.track))
        source = resolve(self.run, self.data)
        if source.said:
            print(source.said)
        other = moves.track_turns(self.track) if self.track is not None else None
        trained = load_trained(source.path, source.data, "cpu")
        person, camera = trained.person, trained.portrait.camera
        seconds = self.seconds
        if other is not None and seconds is None:
            seconds = len(other.turns) / other.fps
        frames = moves.filmed_frames(person, seconds)
        path = moves.as_filmed(person, frames, field_of_view(camera.focal[1], camera.size[1]))
        turns = None
        if self.orbit is not None:
            turns = moves.orbit_turns(len(frames), *self.orbit)
        elif self.keys:
            turns = moves.key_turns(len(frames), self.keys)
        elif other is not None:
            turns = other.at(len(frames), person.fps)
        if turns is not None:
            views = moves.views_of(person)
            path, clipped = moves.turned(path, turns, views)
            if clipped.frames:
                print(
                    f"clipped in {clipped.frames} of {len(frames)} frames, by {clipped.degrees:.1f} degrees at most: "
                    f"{person.name} was filmed from {views.yaw[0]:.1f} to {views.yaw[1]:.1f} of yaw and "
                    f"{views.pitch[0]:.1f} to {views.pitch[1]:.1f} of pitch"
                )
        write_path(self.output, path, camera.size, person.fps)
        print(f"{self.output}: {len(frames)} cameras, {len(frames) / person.fps:.2f} s")
