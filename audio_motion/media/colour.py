"""What a picture's numbers mean as colours, as tagged or as players guess without tags; and those colours as SDR."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation

# Code points of ITU-T H.273, as all containers and codecs use them.
_BT709, _FCC, _PAL, _NTSC, _SMPTE240, _BT2020, _BT2020_CONSTANT, _DISPLAY_P3 = 1, 4, 5, 6, 7, 9, 10, 12
_PQ, _HLG = 16, 18
_MATRICES = {
    _BT709: Colorspace.ITU709,
    _FCC: Colorspace.FCC,
    _PAL: Colorspace.ITU601,
    _NTSC: Colorspace.ITU601,
    _SMPTE240: Colorspace.SMPTE240M,
    _BT2020: Colorspace.BT2020,
    _BT2020_CONSTANT: Colorspace.BT2020,
}
_HIGH_DEFINITION = (1280, 576)
"""An untagged picture at least as wide as the first, or higher than the second, is taken for BT.709, others for BT.601:
what players do."""

_WHITE_POINT = (0.3127, 0.3290)
_BT709_PRIMARIES = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_PRIMARIES = {
    _PAL: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060)),
    _NTSC: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    _SMPTE240: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    _BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    _DISPLAY_P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""Chromaticities of red, green and blue that differ from BT.709's."""

WHITE = 203.0
"""Candela per square metre of white paper in HDR video (ITU-R BT.2408): it becomes about SDR's white."""
_GAMMA = 2.4
"""Of an SDR display (ITU-R BT.1886)."""
_KNEE = 0.85
"""Part of SDR's white up to which tone-mapping changes nothing; all that is brighter shares the rest."""
_SIDE = 65
"""Entries along each side of the table of colours."""

Range = Literal["HLG", "PQ"]


def dynamic_range(frame: VideoFrame) -> Range | None:
    """Which kind of high dynamic range a picture is in; None for standard range."""
    kinds: dict[int, Range] = {_PQ: "PQ", _HLG: "HLG"}
    return kinds.get(int(frame.color_trc))


class ColourConverter:
    """Turns decoded pictures of one stream into RGB with BT.709's primaries and an SDR display's gamma."""

    def __init__(self) -> None:
        self._graphs: dict[tuple, Graph] = {}

    def __call__(self, frame: VideoFrame, width: int, height: int, matrix: int | None = None) -> np.ndarray:
        """A picture as uint8 RGB [height, width, 3]; its display matrix is not applied.

        Args:
            matrix: between Y'CbCr and R'G'B', for a part of a picture: see `colour_matrix`.
        """
        kind = (dynamic_range(frame), int(frame.color_primaries), width, height)
        plain = kind[0] is None and kind[1] not in _PRIMARIES
        rgb = frame.reformat(
            width=width,
            height=height,
            format="rgb24" if plain else "gbrp16le",
            src_colorspace=colour_matrix(frame) if matrix is None else matrix,
            dst_color_range="JPEG",
            interpolation=Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND,
        )
        if not plain:
            if kind not in self._graphs:
                self._graphs[kind] = _table_lookup(rgb, sdr_table(kind[0], kind[1]))
            self._graphs[kind].vpush(rgb)
            rgb = self._graphs[kind].vpull()
        return rgb.to_ndarray()


def sdr_table(hdr: Range | None, primaries: int) -> np.ndarray:
    """For every colour R'G'B' of a grid, the same as SDR: float64 [N, N, N, 3] by blue, green and red, 0 to 1.

    Up to most of white nothing but primaries and coding changes; brighter colours keep their hue and are squeezed
    below white.
    """
    axis = np.linspace(0.0, 1.0, _SIDE)
    coded = np.stack(np.meshgrid(axis, axis, axis, indexing="ij")[::-1], axis=-1)
    light = _light(coded, hdr) @ _to_bt709(primaries).T
    light = np.maximum(light, 0.0)
    brightest = light.max(axis=-1, keepdims=True)
    above = np.maximum(brightest - _KNEE, 0.0) / (1 - _KNEE)
    squeezed = np.where(above > 0, _KNEE + (1 - _KNEE) * above / (1 + above), brightest)
    if hdr is None:
        squeezed = np.minimum(brightest, 1.0)
    return (light * squeezed / np.maximum(brightest, 1e-9)) ** (1 / _GAMMA)


def _light(coded: np.ndarray, hdr: Range | None) -> np.ndarray:
    """Of coded R'G'B' [..., 3] the light on the display, 1 being SDR's white."""
    if hdr == "PQ":  # SMPTE ST 2084
        root = coded ** (1 / 78.84375)
        return (
            10000 / WHITE * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
        )
    if hdr == "HLG":  # ARIB STD-B67, on a display of 1000 cd/m2
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - c) / a) + b) / 12)
        luminance = scene @ np.array([0.2627, 0.6780, 0.0593])
        return 1000 / WHITE * scene * luminance[..., None] ** 0.2
    return coded**_GAMMA


def _to_bt709(primaries: int) -> np.ndarray:
    """Matrix [3, 3] from linear RGB of these primaries to BT.709's."""
    theirs = _PRIMARIES.get(primaries)
    return np.linalg.inv(_to_xyz(_BT709_PRIMARIES)) @ _to_xyz(theirs) if theirs else np.eye(3)


def _to_xyz(chromaticities: tuple[tuple[float, float], ...]) -> np.ndarray:
    columns = np.array([[x, y, 1 - x - y] for x, y in chromaticities]).T
    x, y = _WHITE_POINT
    return columns * np.linalg.solve(columns, np.array([x / y, 1.0, (1 - x - y) / y]))


def _table_lookup(like: VideoFrame, table: np.ndarray) -> Graph:
    """A filter from frames like that one to 8 bit RGB through a table of colours."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sdr.cube")
        np.savetxt(path, table.reshape(-1, 3), "%.6f", header=f"LUT_3D_SIZE {_SIDE}", comments="")
        graph = Graph()
        graph.link_nodes(
            graph.add_buffer(width=like.width, height=like.height, format=like.format, time_base=like.time_base),
            graph.add("lut3d", file=str(path), interp="tetrahedral"),
            graph.add("format", pix_fmts="rgb24"),
            graph.add("buffersink"),
        ).configure()
    return graph


def colour_matrix(frame: VideoFrame) -> int:
    """The matrix between Y'CbCr and R'G'B' of a whole picture, whose size is looked at where it is not tagged, as the
    decoder's or the scaler's number."""
    tagged = int(frame.colorspace)
    if tagged in _MATRICES:
        return _MATRICES[tagged]
    if tagged in (0, 8):  # RGB itself, and YCgCo
        return tagged
    wide, high = _HIGH_DEFINITION
    return Colorspace.ITU709 if frame.width >= wide or frame.height > high else Colorspace.ITU601
