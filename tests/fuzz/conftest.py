"""What the fuzzer and the tests of the disk's faults share; made once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forked import Forked
from tests.fuzz.originals import make_originals


@pytest.fixture(scope="package")
def originals() -> Iterator[Path]:
    """Where everybody may look: pytest's own folders are the user's alone."""
    with tempfile.TemporaryDirectory(prefix="originals-") as name:
        Path(name).chmod(0o755)
        yield make_originals(Path(name))


@pytest.fixture(scope="package")
def commands() -> Iterator[Forked]:
    with Forked() as started:
        yield started
