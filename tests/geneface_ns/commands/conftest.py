"""`geneface` in this process, where a mistake must end it."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from geneface_ns.commands.cli import main

Refused = Callable[..., str]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs `geneface` with some words, which must end with exit code 2; gives its one line."""

    def run(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["geneface", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return run
