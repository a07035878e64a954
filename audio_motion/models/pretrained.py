"""The models that come with the package: what they learnt from stands in docs/models.md."""

from pathlib import Path

_WEIGHTS = Path(__file__).parents[1] / "weights"
PRETRAINED_GENERATOR = _WEIGHTS / "generator.safetensors"
"""Of many speakers; hears through `features.interface.DEFAULT`."""
PRETRAINED_EXPERT = _WEIGHTS / "syncnet.safetensors"
"""The sync expert; hears through the same."""
