"""Small good files of every kind that commands read, from which the damaged ones are made."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import av
import numpy as np
import torch

from audio_motion.arkit import save_motion
from audio_motion.corpus.config import CorpusConfig
from audio_motion.corpus.find import find_videos
from audio_motion.corpus.store import Refusal, Store
from audio_motion.features.acoustic import MEL
from audio_motion.models.checkpoint import (
    TrainedGenerator,
    TrainedPostNet,
    TrainedSyncExpert,
    load_generator,
    save_generator,
    save_postnet,
    save_syncnet,
)
from audio_motion.models.face_statistics import measure_face
from audio_motion.models.generator import GeneratorConfig, MotionGenerator
from audio_motion.models.postnet import PostNet, PostNetConfig
from audio_motion.models.syncnet import SyncConfig, SyncExpert
from audio_motion.sequence import LandmarkSequence, Producer
from audio_motion.topology import TEMPLATE
from geneface_ns.capture.crop import Crop
from geneface_ns.capture.options import CaptureOptions
from geneface_ns.capture.state import State, source_key
from geneface_ns.capture_format.capture import load_capture
from geneface_ns.capture_format.layout import Layout
from geneface_ns.motion.prosody import own_prosody
from geneface_ns.nerf.head import HeadFieldConfig
from geneface_ns.nerf.portrait import Portrait, PortraitConfig
from geneface_ns.scene.frames import FrameStore
from geneface_ns.scene.person_file import write_person_file
from geneface_ns.scene.torso import TorsoFieldConfig
from geneface_ns.splat.head import SplatHeadConfig
from geneface_ns.splat.portrait import SplatPortrait, SplatPortraitConfig
from geneface_ns.splat.warm_start import SplatStartConfig, start_from_pictures
from geneface_ns.synthetic import speech_names, write_clip
from geneface_ns.synthetic.exact_capture import write_exact_capture
from geneface_ns.trained.checkpoint import load_run
from geneface_ns.trained.person_file import person_file
from tests.audio_motion.data.captures import write_corpus
from tests.audio_motion.synthetic_speech import talk, write_wav
from tests.geneface_ns.fakes import write_postnet, write_run

SOUNDS = {"wav": "pcm_s16le", "mp3": "libmp3lame", "m4a": "aac", "flac": "flac", "ogg": "libopus"}
VIDEOS = ("mp4", "mov", "mkv", "webm", "ts", "avi")


def make_originals(folder: Path) -> Path:
    """Write them all; nothing random is in them.

    clip.* talking videos of 3.2 s; speech.* of 1 s; anna/ a capture; run/ and gaussians/ heads trained on it by either
    method; anna.gface and gaussians.gface the same to send; corpus/; videos/ and made/, the folders of `audio-motion
    corpus` when all is done; begun/, of `geneface process` when little is; generator, postnet, expert.safetensors;
    motion.npz and .csv and their sound, five.npz of five frames; path.json; speech.json the phones of speech.wav;
    speakers.csv.
    """
    with torch.random.fork_rng(devices=[]):
        for make in (_videos, _sounds, _motions, _head, _weights, _sent, _corpora, _begun):
            make(folder)
    phones = [["p", 0.1, 0.2], ["a", 0.2, 0.4], ["m", 0.5, 0.6]]
    (folder / "speech.json").write_text(json.dumps({"phones": phones}))
    return folder


def _videos(folder: Path) -> None:
    first = folder / "clip.mp4"
    write_clip(first, seed=1, speech=speech_names("train")[:1], size=64, fps=5.0, seconds=3.2)
    for form in VIDEOS[1:]:
        _encoded(first, folder / f"clip.{form}")


def _encoded(given: Path, path: Path) -> None:
    """The same film in another container, with the codecs usual there."""
    form = path.suffix[1:]
    codec, sound = {"webm": ("libvpx", "libopus"), "avi": ("mpeg4", "libmp3lame")}.get(form, ("libx264", "aac"))
    quick = {"libvpx": {"deadline": "realtime", "cpu-used": "8"}, "libx264": {"preset": "ultrafast"}}.get(codec, {})
    with av.open(str(given)) as old, av.open(str(path), "w", options={"fflags": "+bitexact"}) as new:
        picture = new.add_stream(codec, rate=5, options={**quick, "threads": "1"})
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        audio = new.add_stream(sound, rate=48000, layout="mono")
        resampler = av.AudioResampler(audio.codec_context.format, "mono", 48000, audio.codec_context.frame_size or 1024)
        packets = []
        for number, frame in enumerate(old.decode(video=0)):
            fresh = av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24").reformat(
                format="yuv420p"
            )
            fresh.pts = number
            packets += picture.encode(fresh)
        old.seek(0)
        packets += picture.encode(None)
        for frame in [*old.decode(audio=0), None]:
            for piece in resampler.resample(frame):
                packets += audio.encode(piece)
        packets += audio.encode(None)
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            new.mux(packet)


def _sounds(folder: Path) -> None:
    write_wav(folder / "speech.wav", talk(1.0, seed=3)[0])
    samples = (talk(1.0, seed=3)[0] * 32767).astype(np.int16)
    for form, codec in list(SOUNDS.items())[1:]:
        with av.open(str(folder / f"speech.{form}"), "w", options={"fflags": "+bitexact"}) as file:
            stream = file.add_stream(codec, rate=48000 if form == "ogg" else 16000, layout="mono")
            resampler = av.AudioResampler(
                stream.codec_context.format, "mono", stream.rate, stream.codec_context.frame_size or 1024
            )
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16000, 0
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                file.mux(stream.encode(piece))
            file.mux(stream.encode(None))


def _motions(folder: Path) -> None:
    sound, motion = talk(4.0)
    for form in ("npz", "csv"):
        save_motion(motion, folder / f"motion.{form}")
    write_wav(folder / "motion.wav", sound)
    still = np.tile(TEMPLATE, (5, 1, 1)).astype(np.float32)
    still[:, 48:, 1] += np.linspace(0, 0.02, 5)[:, None]
    LandmarkSequence(
        landmarks=still,
        fps=12.5,
        eye_openness=np.full((5, 2), 0.3, np.float32),
        valid=np.ones(5, bool),
        person="five",
        producer=Producer("tracker", "made up"),
    ).save(folder / "five.npz")
    camera = np.eye(4)
    camera[2, 3] = 4.0
    cameras = [{"camera_to_world": camera.reshape(-1).tolist(), "fov": 50, "aspect": 1} for _ in range(8)]
    path = {"camera_type": "perspective", "render_height": 64, "render_width": 64, "fps": 12.5, "seconds": 0.64}
    (folder / "path.json").write_text(json.dumps({**path, "camera_path": cameras}))
    timed = [{**camera, "render_time": index / 7} for index, camera in enumerate(cameras)]
    (folder / "timed.json").write_text(json.dumps({**path, "camera_path": timed}))


def _head(folder: Path) -> None:
    write_exact_capture(folder / "anna", size=32, frames=24, fps=8.0)
    capture = load_capture(folder / "anna")
    head = HeadFieldConfig((8,), 2, 8, 2, 8, warp_resolution=6)
    size = PortraitConfig(head, TorsoFieldConfig((8,), 2, 4, 8), sample_step=0.2, occupancy_resolution=8)
    torch.manual_seed(0)
    write_run(folder / "run", capture, Portrait(capture, 1, size), size)
    sizes = SplatPortraitConfig(SplatHeadConfig(8), TorsoFieldConfig((8,), 2, 4, 8))
    gaussians, frames = SplatPortrait(capture, 1, sizes), np.flatnonzero(capture.is_train & capture.valid)
    start_from_pictures(gaussians, FrameStore(capture), frames, SplatStartConfig(1200))
    write_run(folder / "gaussians", capture, gaussians, sizes)
    write_postnet(folder / "anna" / "postnet.safetensors", capture)


def _weights(folder: Path) -> None:
    """Of untrained networks."""
    torch.manual_seed(0)
    motion = LandmarkSequence.load(folder / "motion.npz")
    face = measure_face("talker", motion.landmarks, motion.eye_openness)
    small = GeneratorConfig(
        hidden=8, condition=4, latent=4, encoder_layers=1, decoder_layers=1, flow_hidden=4, flow_layers=1, flow_steps=1
    )
    generator = folder / "generator.safetensors"
    save_generator(generator, TrainedGenerator(MotionGenerator(small), face, 1.0, {"speakers": 1}, MEL, ""))
    sha256 = load_generator(generator).sha256
    postnet = TrainedPostNet(PostNet(PostNetConfig(hidden=8)), face, sha256, {}, MEL, "")
    save_postnet(folder / "postnet.safetensors", postnet)
    expert = TrainedSyncExpert(SyncExpert(SyncConfig(hidden=8, layers=1, embedding=4)), {}, MEL)
    save_syncnet(folder / "expert.safetensors", expert)


def _sent(folder: Path) -> None:
    """With the post-net for generator.safetensors, which is quicker than the package's."""
    for run, file in (("run", "anna.gface"), ("gaussians", "gaussians.gface")):
        portrait, capture, step = load_run(folder / run, device="cpu")
        sent = person_file(portrait, capture, step, folder / "postnet.safetensors", own_prosody(capture), "she agreed")
        write_person_file(folder / file, sent)


def _corpora(folder: Path) -> None:
    write_corpus(folder / "corpus", {"anna/1.mp4": 2.5, "carl/1.mp4": 2.5}, held_out=0.37)
    (folder / "videos").mkdir()
    shutil.copy(folder / "clip.mp4", folder / "videos" / "clip.mp4")
    os.utime(folder / "videos" / "clip.mp4", (1e9, 1e9))
    (folder / "speakers.csv").write_text("file,speaker\nclip.mp4,anna\n")
    made = Store(folder / "made")
    content = CorpusConfig(folder / "videos", folder / "made").content()
    made.root.mkdir()
    made.options.write_text(json.dumps(content))
    (source,) = find_videos(folder / "videos")
    made.save_refusal(source.key(content), Refusal("clip.mp4", "too short", "it is too short"))


def _begun(folder: Path) -> None:
    (folder / "begun").mkdir()
    options = CaptureOptions(folder / "clip.mp4", folder / "begun", align=False)
    crop = Crop(0, 0, 64, 64, 64, 64)
    first = {"frames": 16, "crop": asdict(crop), "source_size": [64, 64], "combed": None, "seconds": 0.1}
    shutil.copy(folder / "anna" / "audio.wav", folder / "begun" / "audio.wav")
    State(Layout(folder / "begun"), source_key(options), {"sound": first}).save()
