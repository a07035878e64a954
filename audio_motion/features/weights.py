"""The weights of pretrained speech encoders: from this machine, or once from the network."""

from __future__ import annotations

import hashlib
import http.client
import re
import shutil
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import rich.progress
import torch
from rich.console import Console
from torch import Tensor

from audio_motion.errors import InputError, one_line
from audio_motion.files import need_file, sha256_of, written_whole

_PATIENCE = 10.0
"""Seconds that a server may keep us waiting."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors file, or of a PyTorch file (read without running any code in it).

    Raises:
        InputError: no such file, or not a whole file of tensors.
    """
    from safetensors.torch import load_file

    need_file(path, "download the weights and put them there, or name where they are")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle is a damaged program: it may raise anything
        raise InputError(f"{path}: not a whole file of weights ({one_line(error)}); download it again") from error
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


def fetched(url: str, path: Path, sha256: str | None = None) -> Path:
    """`path`, downloaded from `url` if it is not there yet, with a progress bar. A download that breaks off or arrives
    damaged leaves nothing, and begins anew the next time.

    Args:
        sha256: of the file; where it is not known, the checksums that a file of torch's carries of its parts serve.

    Raises:
        InputError: it is not there, and cannot be had.
    """
    if path.is_file():
        return path
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer, written_whole(path) as temporary:
            length = int(answer.headers.get("Content-Length") or 0) or None
            console = Console(stderr=True)
            with (
                temporary.open("wb") as file,
                rich.progress.wrap_file(answer, length or 0, description=path.name, console=console) as pieces,
            ):
                shutil.copyfileobj(pieces, file, 1 << 20)
            if length is not None and temporary.stat().st_size != length:
                raise ConnectionError("the connection broke off")
            if sha256 is None:
                _check_parts(temporary)
            elif sha256_of(temporary) != sha256:
                raise ConnectionError(f"what arrived is another file: its SHA-256 is not {sha256[:12]}…")
    except (OSError, http.client.HTTPException) as error:
        raise InputError(f"{path.name} is not on this machine; download {url} to {path} ({_why(error)})") from error
    return path


def _check_parts(path: Path) -> None:
    """Raises ConnectionError where a part of a file of torch's differs from its checksum."""
    try:
        with zipfile.ZipFile(path) as file:
            bad = file.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ConnectionError(f"what arrived is not torch's: {error}") from error
    if bad:
        raise ConnectionError(f"what arrived is damaged: {bad}")


def from_hub(repository: str, names: list[str]) -> list[Path]:
    """Files of a repository of the Hugging Face hub: those kept on this machine, otherwise from the network. What
    arrives is compared with its SHA-256.

    Raises:
        InputError: neither is possible.
    """
    try:
        from huggingface_hub import hf_hub_download, hf_hub_url
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise InputError(
            f"{repository}: no such directory, and to fetch it the package huggingface_hub is needed; "
            "pip install 'geneface-ns[whisper]'"
        ) from error

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
        return [_compared(Path(hf_hub_download(repository, name))) for name in names]
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{by_hand} ({_why(error)})") from error


def _compared(path: Path) -> Path:
    """A file that the hub's client has just fetched. It keeps large ones under their SHA-256.

    Raises:
        ConnectionError: it is another; then it has been removed.
    """
    kept = path.resolve()
    if re.fullmatch("[0-9a-f]{64}", kept.name) and sha256_of(kept) != kept.name:
        kept.unlink()
        raise ConnectionError(f"what arrived as {path.name} is damaged")
    return path


def _why(error: Exception) -> str:
    """One line, short."""
    reason = getattr(error, "reason", None) or error
    lines = str(reason).splitlines() or [type(error).__name__]
    return lines[0][:120]
