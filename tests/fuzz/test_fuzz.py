"""Damaged files of every kind, to every command that reads it: it ends well or says in one line why not, within 20 s
and 2 GiB.

GENEFACE_FUZZ sets how many cases are tried (150), GENEFACE_FUZZ_SEED which ones (1). `python -m tests.fuzz SEED NUMBER`
runs one again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.forked import PROGRAMS, Ended, Forked
from tests.fuzz.cases import run_case

CASES = int(os.environ.get("GENEFACE_FUZZ", "150"))
SEED = int(os.environ.get("GENEFACE_FUZZ_SEED", "1"))


def test_no_damaged_file_breaks_a_command(originals: Path, commands: Forked, tmp_path: Path) -> None:
    slowest, largest = (0.0, 0), (0, 0)
    codes: Counter[int] = Counter()
    wrong = []
    for number in range(CASES):
        place = tmp_path / "case"
        place.mkdir()
        case, ended, problem = run_case(commands, originals, place, SEED, number)
        codes[ended.code] += 1
        slowest, largest = max(slowest, (ended.seconds, number)), max(largest, (ended.peak, number))
        if problem:
            wrong.append(f"python -m tests.fuzz {SEED} {number}: {problem}: {' '.join(map(str, case.words[:3]))}")
            print(wrong[-1], ended.said[-2000:], sep="\n", flush=True)
        shutil.rmtree(place)
    print(f"{CASES} cases of seed {SEED}, exit codes {dict(codes)}")
    print(
        f"slowest {slowest[0]:.1f} s (number {slowest[1]}), largest {largest[0] / 2**20:.0f} MiB (number {largest[1]})"
    )
    assert not wrong, "\n".join(wrong)
    assert codes[0] > CASES / 50  # some damage does not hurt: the commands did more than refuse


class Processes(Forked):
    """Runs each command as a user does."""

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *ended: object) -> None:
        pass

    def run(self, folder: Path, *words: object, file_size: int | None = None, user: int | None = None) -> Ended:
        program, *arguments = map(str, words)
        module = PROGRAMS[program].partition(":")[0]
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments], cwd=folder, capture_output=True, text=True, errors="replace"
        )
        return Ended(done.returncode, 0.0, 0, done.stderr, False)


@pytest.mark.parametrize("number", [0, 9])
def test_a_process_of_its_own_ends_in_the_same_way(
    originals: Path, commands: Forked, tmp_path: Path, number: int
) -> None:
    ends = []
    for runner in (commands, Processes()):
        (tmp_path / "case").mkdir()
        _, ended, problem = run_case(runner, originals, tmp_path / "case", 1, number)
        assert problem is None, ended.said
        ends.append((ended.code, ended.said.splitlines()[-1:] if ended.code else []))
        shutil.rmtree(tmp_path / "case")
    assert ends[0] == ends[1]
