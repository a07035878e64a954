"""Media files: pictures, sound, their lengths and their first moments, from one place and on one time line (PyAV)."""

from audio_motion.media.container import AS_PLAYED, Tracks
from audio_motion.media.lazy_frame import LazyFrame
from audio_motion.media.notes import show_notes
from audio_motion.media.picture import VideoInfo, lazy_frames, probe, read_frames
from audio_motion.media.piped import stream_piped
from audio_motion.media.sound import (
    SAMPLE_RATE,
    AudioInfo,
    audio_info,
    load_audio,
    sound_seconds,
    stream_audio,
    stream_channels,
)

__all__ = [
    "AS_PLAYED",
    "SAMPLE_RATE",
    "AudioInfo",
    "LazyFrame",
    "Tracks",
    "VideoInfo",
    "audio_info",
    "lazy_frames",
    "load_audio",
    "probe",
    "read_frames",
    "show_notes",
    "sound_seconds",
    "stream_audio",
    "stream_channels",
    "stream_piped",
]
