"""How the suite is shared out where several processes run it (`make test`)."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A folder's tests stay in one process, which makes what they share once."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(str(item.path.parent)))
