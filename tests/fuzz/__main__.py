"""One case of the fuzzer again, with all that it said: `python -m tests.fuzz SEED NUMBER [FOLDER]`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.forked import Forked
from tests.fuzz.cases import run_case
from tests.fuzz.originals import make_originals


def main(seed: int, number: int, folder: Path) -> None:
    """Make the originals where they are not there yet, and run the case."""
    originals, place = folder / "originals", folder / f"{seed}-{number}"
    if not originals.is_dir():
        originals.mkdir(parents=True)
        make_originals(originals)
    place.mkdir()
    with Forked() as commands:
        case, ended, wrong = run_case(commands, originals, place, seed, number)
    print(ended.said, file=sys.stderr)
    print(" ".join(map(str, case.words)))
    print(f"exit code {ended.code}, {ended.seconds:.2f} s, {ended.peak / 2**20:.0f} MiB: {wrong or 'as it should be'}")


if __name__ == "__main__":
    main(
        int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3] if len(sys.argv) > 3 else tempfile.mkdtemp(prefix="fuzz-"))
    )
