"""Interlaced pictures, in which odd and even rows are of two moments, made whole of one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import av
from av.filter import Graph
from av.video.frame import VideoFrame


def deinterlaced(
    frames: Iterator[tuple[float, VideoFrame]], untagged: bool = False
) -> Iterator[tuple[float, VideoFrame]]:
    """The same pictures at the same times; those that are interlaced are deinterlaced by FFmpeg's bwdif.

    Args:
        untagged: take all for interlaced, whatever the file says of them.
    """
    graph: Graph | None = None
    shape: tuple | None = None
    times: deque[float] = deque()  # of the pictures in the filter, which looks at their neighbours too
    for time, frame in frames:
        if graph is None and not frame.interlaced_frame and not untagged:
            yield time, frame
            continue
        if (frame.width, frame.height, frame.format.name) != shape:
            if graph is not None:
                yield from _pulled(graph, times, last=True)
            shape, graph = (frame.width, frame.height, frame.format.name), _filter(frame, untagged)
        assert graph is not None
        graph.vpush(frame)
        times.append(time)
        yield from _pulled(graph, times)
    if graph is not None:
        yield from _pulled(graph, times, last=True)


def _filter(like: VideoFrame, untagged: bool) -> Graph:
    graph = Graph()
    graph.link_nodes(
        graph.add_buffer(width=like.width, height=like.height, format=like.format, time_base=like.time_base),
        graph.add("bwdif", mode="send_frame", deint="all" if untagged else "interlaced"),
        graph.add("buffersink"),
    ).configure()
    return graph


def _pulled(graph: Graph, times: deque[float], last: bool = False) -> Iterator[tuple[float, VideoFrame]]:
    if last:
        graph.vpush(None)
    while times:
        try:
            frame = graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield times.popleft(), frame
