"""The suite as a whole: its order where several processes run it (`make test`), and no deadlines."""

from __future__ import annotations

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is; timed limits belong in benchmarks/.
settings.register_profile("geneface", deadline=None)
settings.load_profile("geneface")

LONGEST = ("test_chain.py", "test_kills.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first: one begun last would keep one process while the others have nothing left to do."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
