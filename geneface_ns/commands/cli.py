"""The `geneface` command and its subcommands. A subcommand's code is imported when it is called."""

from __future__ import annotations

import sys
from typing import NamedTuple

from audio_motion.ending import ends_in_one_line
from audio_motion.errors import InputError


class Command(NamedTuple):
    """Where a subcommand lives."""

    module: str
    """Beside this one."""
    config: str
    """Name of its dataclass, which has `main()`."""
    help: str


COMMANDS = {
    "talk": Command("talk", "TalkConfig", "from a talking video and a speech to a video that says it"),
    "process": Command("process", "ProcessConfig", "turn a talking video into a capture directory"),
    "render": Command("render", "RenderConfig", "let a trained head say something, as a video with sound"),
    "view": Command("view", "ViewConfig", "watch and hear a trained head in the browser"),
    "camera-path": Command("camera_path", "CameraPathConfig", "write a camera path around a trained head"),
    "evaluate": Command("evaluate", "EvaluateConfig", "measure a trained head on its test split"),
    "export": Command("export", "ExportConfig", "write a trained head as one file that one can send"),
    "page": Command("page", "PageConfig", "let a head of Gaussians say something, as a web page in one file"),
    "demo": Command("demo", "DemoConfig", "make a person, train on it, let it speak: out/demo.mp4"),
}


def overview() -> str:
    """The text of `geneface --help`."""
    lines = [f"  {name:13}{command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: geneface COMMAND [OPTIONS]",
            "",
            "A talking video in, a talking head that says anything out.",
            "",
            *lines,
            "",
            "Training is nerfstudio's: ns-train geneface --data CAPTURE. Speech to motion alone: audio-motion --help.",
            "Options of a command: geneface COMMAND --help",
        ]
    )


def main() -> None:
    """Run the command line in `sys.argv`; exit codes as `ends_in_one_line` says."""
    with ends_in_one_line():
        _run(sys.argv[1:])


def _run(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        raise SystemExit(0 if arguments else 2)
    name = arguments[0]
    if name not in COMMANDS:
        raise InputError(f"no command {name!r}; there are {', '.join(COMMANDS)}")
    from importlib import import_module

    import tyro

    command = COMMANDS[name]
    config = getattr(import_module(f"geneface_ns.commands.{command.module}"), command.config)
    tyro.cli(config, prog=f"geneface {name}", args=arguments[1:]).main()


if __name__ == "__main__":
    main()
