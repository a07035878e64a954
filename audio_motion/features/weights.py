"""The weights of pretrained speech encoders: from this machine, or once from the network."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from audio_motion.errors import InputError
from audio_motion.files import written_whole

_PATIENCE = 10.0
"""Seconds that a server may keep us waiting."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors file, or of a PyTorch file (read without running any code in it).

    Raises:
        InputError: no such file, or not a whole file of tensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise InputError(f"{path}: no such file of weights; download it and put it there, or name where it is")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, ValueError, EOFError, KeyError, RuntimeError, UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a whole file of weights ({reason}); download it again") from error
    if not (isinstance(tensors, dict) and all(isinstance(value, Tensor) for value in tensors.values())):
        raise InputError(f"{path}: holds something else than a state dict of tensors; save the model's state_dict()")
    return tensors


def identity(tensors: Mapping[str, Tensor], use: str) -> str:
    """12 hexadecimal digits that change with the weights and with how they are used, and with nothing else: weights
    stored in half precision and the same ones stored in single have one identity."""
    digest = hashlib.sha256(use.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def fetched(url: str, path: Path) -> Path:
    """`path`, downloaded from `url` if it is not there yet.

    Raises:
        InputError: it is not, and cannot be.
    """
    if not path.is_file():
        try:
            with urllib.request.urlopen(url, timeout=_PATIENCE) as answer, written_whole(path) as temporary:
                with temporary.open("wb") as file:
                    while piece := answer.read(1 << 20):
                        file.write(piece)
                if (expected := answer.headers.get("Content-Length")) and int(expected) != temporary.stat().st_size:
                    raise ConnectionError("the connection broke off")
        except (OSError, urllib.error.URLError) as error:
            raise InputError(f"{path.name} is not on this machine; download {url} to {path} ({_why(error)})") from error
    return path


def from_hub(repository: str, names: list[str]) -> list[Path]:
    """Files of a repository of the Hugging Face hub: those kept on this machine, otherwise from the network.

    Raises:
        InputError: neither is possible.
    """
    from huggingface_hub import hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return [Path(hf_hub_download(repository, name, local_files_only=True)) for name in names]
    except HFValidationError as error:
        raise InputError(f"{repository}: neither a directory nor a name of the Hugging Face hub") from error
    except LocalEntryNotFoundError:
        pass
    by_hand = (
        f"the weights of {repository} are not on this machine; download {' and '.join(names)} of "
        f"https://huggingface.co/{repository} into a directory and give that directory's path"
    )
    try:
        # The hub's own client tries again for a minute where nobody answers.
        probe = urllib.request.Request(hf_hub_url(repository, names[0]), method="HEAD")
        urllib.request.urlopen(probe, timeout=_PATIENCE).close()
    except urllib.error.HTTPError:
        pass  # somebody answers: the client knows about private repositories, and words the rest better
    except OSError as error:
        raise InputError(f"{by_hand} ({_why(error)})") from error
    try:
        return [Path(hf_hub_download(repository, name)) for name in names]
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{by_hand} ({_why(error)})") from error


def _why(error: Exception) -> str:
    """One line, short."""
    reason = getattr(error, "reason", None) or error
    lines = str(reason).splitlines() or [type(error).__name__]
    return lines[0][:120]
