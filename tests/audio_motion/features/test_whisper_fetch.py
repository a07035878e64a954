"""Larger Whispers, fetched from a server that is a folder here, in OpenAI's own layout."""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from audio_motion.cli import main
from audio_motion.errors import InputError
from audio_motion.features import whisper_fetch
from audio_motion.features.interface import open_features
from audio_motion.features.weights import fetched
from tests.audio_motion.features.tiny_encoders import write_whisper
from tests.audio_motion.synthetic_speech import talk

THEIRS = {
    "embed_positions.weight": "positional_embedding",
    "self_attn_layer_norm": "attn_ln",
    "final_layer_norm": "mlp_ln",
    "layer_norm": "ln_post",
    "layers": "blocks",
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "out_proj": "out",
    "self_attn": "attn",
    "fc1": "mlp.0",
    "fc2": "mlp.2",
}
"""The hub's names -> OpenAI's."""


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file on the server; a directory "ours" beside it holds the same encoder."""
    ours = load_file(write_whisper(tmp_path / "ours", half=True) / "model.safetensors")
    theirs = {}
    for name, value in ours.items():
        if name.startswith("encoder."):
            parts = name.split(".")
            whole = ".".join(THEIRS.get(part, part) for part in parts)
            theirs[whole.replace("embed_positions.weight", "positional_embedding")] = value
    saved = tmp_path / "saved.pt"
    torch.save({"dims": {"n_audio_head": 2}, "model_state_dict": theirs | {"decoder.ln.bias": torch.zeros(2)}}, saved)
    sha256 = hashlib.sha256(saved.read_bytes()).hexdigest()
    there = tmp_path / "server" / sha256 / "base.pt"
    there.parent.mkdir(parents=True)
    saved.rename(there)
    monkeypatch.setattr(whisper_fetch, "_SERVER", (tmp_path / "server").as_uri())
    monkeypatch.setitem(whisper_fetch.SHA256, "base", sha256)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return there


def test_what_is_fetched_hears_as_the_same_weights_from_the_hub_do(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["fetch", "whisper:base"])
    said = capsys.readouterr()
    assert "--features whisper:base" in said.out
    assert "base.pt" in said.err  # the progress bar
    published.unlink()
    main(["fetch", "whisper:base"])  # it is there
    here, hub = open_features("whisper:base"), open_features(f"whisper:{tmp_path / 'ours'}")
    assert here.spec == "whisper:base@2"
    assert here.name == hub.name
    sound = talk(1.0)[0]
    assert here.extract(sound).equal(hub.extract(sound))
    kept = sorted(path.name for path in whisper_fetch.whisper_folder("base").iterdir())
    assert kept == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("harm", ["gone", "another", "cut"])
def test_nothing_is_kept_of_what_cannot_be_had_whole(
    published: Path, harm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = published.read_bytes()
    damaged = {"another": whole[:-1] + bytes([whole[-1] ^ 1]), "cut": whole[:-100]}
    published.unlink()
    if harm in damaged:
        published.write_bytes(damaged[harm])
    with pytest.raises(SystemExit) as ended:
        main(["fetch", "whisper:base"])
    assert ended.value.code == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "download" in line]
    assert len(lines) == 1
    assert "base.pt is not on this machine" in lines[0]
    assert ("SHA-256" in lines[0]) == (harm != "gone")
    assert not list(whisper_fetch.whisper_folder("base").glob("*"))
    with pytest.raises(InputError, match="audio-motion fetch whisper:base"):
        open_features("whisper:base")


def test_a_file_that_is_there_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    assert fetched("https://nowhere.invalid/there", tmp_path / "there", "0" * 64) == tmp_path / "there"
