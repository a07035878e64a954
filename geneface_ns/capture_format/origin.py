"""Where a capture's pictures come from: which part of which video they are."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Any


@dataclass(frozen=True)
class Origin:
    """How to find a capture's frames in the video that it was made from: frame i is what the video shows
    `start + i / fps` seconds after its first picture, turned, and cut out."""

    video: str
    """Name of the file, for people to read."""
    width: int
    """Of the video's pictures, turned, px."""
    height: int
    seconds: float
    """The video's length."""
    start: float
    """Seconds from the video's first picture."""
    turn: int
    """Degrees clockwise by which its pictures are turned: 0, 90, 180 or 270."""
    deinterlace: bool
    """Whether pictures that the file does not call interlaced are deinterlaced too."""
    picture_track: int | None
    """Of the video's picture tracks, from 1; None for the one that players show."""
    crop: tuple[int, int, int, int]
    """x, y, width and height of what is cut out, px of the turned picture; the capture is that at its own size."""

    def contents(self) -> dict[str, Any]:
        """As JSON values, which `of` reads."""
        return asdict(self) | {"crop": list(self.crop)}

    @staticmethod
    def of(contents: dict[str, Any]) -> Origin:
        """What `contents` gave.

        Raises:
            ValueError, TypeError, KeyError: it is none, or cannot be meant.
        """
        values = {field.name: contents[field.name] for field in fields(Origin)}
        x, y, width, height = values["crop"] = tuple(values["crop"])
        whole = [values["width"], values["height"], values["turn"], x, y, width, height]
        if values["picture_track"] is not None:
            whole.append(values["picture_track"])
        if any(type(number) is not int for number in whole):
            raise TypeError("origin holds no whole pixels")
        times = [values["seconds"], values["start"]]
        if any(type(time) not in (int, float) for time in times):
            raise TypeError("origin holds no seconds")
        origin = Origin(**values)
        inside = 0 <= x < x + width <= origin.width and 0 <= y < y + height <= origin.height
        if not (inside and origin.turn in (0, 90, 180, 270) and all(isfinite(t) and t >= 0 for t in times)):
            raise ValueError("origin names no part of a video")
        return origin
