"""Content credentials (C2PA): a signed statement inside a video of how it was made; signed with the user's own key."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from audio_motion.errors import InputError, one_line
from audio_motion.files import need_file, written_whole
from geneface_ns.output.provenance import SOURCE_TYPE, maker
from geneface_ns.output.video import VideoWriter

CONTAINERS = (".mp4", ".mov")
"""What the library signs of what we write."""
_ECDSA = {256: "es256", 384: "es384", 521: "es512"}
"""By the size of the curve."""


def check_credentials(output: Path, certificate: Path, key: Path) -> None:
    """Refuse what cannot be signed, by signing a video of one frame.

    Raises:
        InputError: another container, no library, or a certificate and key that are none.
    """
    if output.suffix.lower() not in CONTAINERS:
        raise InputError(f"{output}: --c2pa signs {' and '.join(CONTAINERS)}; name it so")
    with TemporaryDirectory() as folder:
        trial = Path(folder, "trial.mp4")
        with VideoWriter(trial, (16, 16), 25.0) as writer:
            writer.write(np.zeros((16, 16, 3), np.uint8))
        sign(trial, certificate, key)


def sign(video: Path, certificate: Path, key: Path) -> None:
    """Put a signed manifest into a video, which says that a trained model made it. No network is used: the signature
    carries no time stamp of an authority.

    Args:
        video: .mp4 or .mov; replaced as a whole.
        certificate: PEM, the signer's first, then those that vouch for it.
        key: PEM, the private key of the first.

    Raises:
        InputError: c2pa-python is not installed, or certificate and key cannot sign.
    """
    try:
        import c2pa
    except ImportError as error:
        raise InputError("--c2pa needs c2pa-python; run pip install 'geneface-ns[c2pa]'") from error
    for path in (certificate, key):
        need_file(path, "give --c2pa a certificate chain and its private key, both PEM")
    name, _, version = maker().partition(" ")
    manifest = {
        "claim_generator_info": [{"name": name, "version": version}],
        "title": video.name,
        "assertions": [
            {
                "label": "c2pa.actions",
                "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE}]},
            }
        ],
    }
    private = key.read_bytes()
    info = (_algorithm(key, private), certificate.read_bytes(), private, None)
    with written_whole(video) as temporary:
        try:
            signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(*info))
            c2pa.Builder(json.dumps(manifest)).sign_file(video, temporary, signer)
        except c2pa.C2paError as error:
            raise InputError(
                f"{video} cannot be signed with {certificate} and {key} ({one_line(error)}); give --c2pa a certificate "
                "chain for signing documents and its private key"
            ) from error


def _algorithm(path: Path, private: bytes) -> str:
    """The signing algorithm that a PEM key is for."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        found: Any = load_pem_private_key(private, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(f"{path}: no private key in PEM without a password; give --c2pa one") from error
    if isinstance(found, ec.EllipticCurvePrivateKey) and found.key_size in _ECDSA:
        return _ECDSA[found.key_size]
    if isinstance(found, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(found, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise InputError(f"{path}: C2PA knows no signature with such a key; give --c2pa an ECDSA, RSA or Ed25519 key")
