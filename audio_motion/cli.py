"""Entry point of `audio-motion`. Everything else is imported inside, where Ctrl-C is one line."""

from __future__ import annotations

from audio_motion.ending import ends_in_one_line


def main(arguments: list[str] | None = None) -> None:
    """Run the command line, `sys.argv` by default; exit codes as `ends_in_one_line` says."""
    with ends_in_one_line():
        import tyro

        from audio_motion.commands import Command

        command = tyro.cli(
            Command,  # type: ignore[arg-type]
            args=arguments,
            prog="audio-motion",
            description="Speech and video to the motion of a face.",
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
        )
        command.run()


if __name__ == "__main__":
    main()
