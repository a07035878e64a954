"""The order of the suite, where several processes run it (`make test`)."""

from __future__ import annotations

import pytest

LONGEST = ("test_chain.py", "test_kills.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first: one begun last would keep one process while the others have nothing left to do."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
