"""What the fuzzer and the tests of the disk's faults share; made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forked import Forked
from tests.fuzz.originals import make_originals


@pytest.fixture(scope="package")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="package")
def commands() -> Iterator[Forked]:
    with Forked() as started:
        yield started
