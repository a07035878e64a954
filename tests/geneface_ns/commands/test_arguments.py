"""Arguments in their place or by name, and folders of speeches that cannot be rendered; in one process."""

from __future__ import annotations

from pathlib import Path

from tests.geneface_ns.commands.conftest import Refused
from tests.geneface_ns.commands.test_cli import config
from tests.geneface_ns.output.test_video import write_video, write_wav


def test_arguments_in_their_place(tmp_path: Path, refused: Refused) -> None:
    speech, run, out = write_wav(tmp_path / "speech.wav", 1.0, 16000), config(tmp_path).parent, tmp_path / "out.mp4"
    assert "no RUN is given: it is `geneface render RUN SPEECH VIDEO`, or --load-config" in refused("render")
    assert "no VIDEO is given" in refused("render", run, speech)
    assert "two for SPEECH" in refused("render", run, speech, out, "--audio", speech)
    assert "are for a folder of speeches" in refused("render", run, speech, out, "--workers", 2)
    assert "no RUN is given: it is `geneface evaluate RUN`" in refused("evaluate")
    write_video(out, 5, 25.0, speech)
    assert f"would replace {out}, which is read" in refused("render", run, out, out)


def test_a_folder_of_speeches_that_cannot_be_rendered(tmp_path: Path, refused: Refused) -> None:
    run, speeches, videos = config(tmp_path).parent, tmp_path / "speeches", tmp_path / "videos"
    speeches.mkdir()
    (speeches / "read.me").touch()
    words = ("render", run, speeches, videos)
    assert f"{speeches}: holds no sound and no video" in refused(*words)
    write_wav(speeches / "a.wav", 1.0, 16000)
    assert "choose another one for the videos" in refused("render", run, speeches, speeches)
    assert "--workers 0: at least one" in refused(*words, "--workers", 0)
    assert "leave --device cuda out" in refused(*words, "--ray-address", "auto", "--device", "cuda")
    assert "give one of the two" in refused(*words, "--motion", speeches / "a.npz")
    videos.touch()
    assert f"{videos} is a file; choose another place" in refused(*words)
    assert videos.read_bytes() == b""
