"""Kernels are kept compiled where the disk allows it, and work where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from geneface_ns.kernels import run


def twice(x):  # type: ignore[no-untyped-def]
    return 2 * x


def test_a_cache_that_the_disk_refuses_costs_the_compiling_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_kept_in", lambda: tmp_path)
    assert run.kernel(twice)(3) == 6
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in kept} == {".nbi", ".nbc"}
    again = run.kernel(twice)
    assert again(3) == 6
    assert sum(again.stats.cache_hits.values()) == 1
    for path in kept:
        path.unlink()
        path.mkdir()  # can be neither read nor written, by whoever it is
    refused = run.kernel(twice)
    assert refused(3) == 6
    assert not refused.stats.cache_hits
