"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import torch


def describe() -> str:
    """One line: processor, cores, device, torch, commit (with + where the working tree differs from it)."""
    processor = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            processor = line.split(":", 1)[1].strip()
            break
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    here = Path(__file__).parent
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=here)
    changed = subprocess.run(["git", "status", "--porcelain", "-uno"], capture_output=True, text=True, cwd=here)
    name = commit.stdout.strip() + ("+" if changed.stdout.strip() else "")
    return f"{processor}, {os.cpu_count()} cores, {device}, torch {torch.__version__}, commit {name}"
