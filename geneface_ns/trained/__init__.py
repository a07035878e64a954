"""What a training left behind, of whichever method: checkpoints, runs and person files, to be rendered from."""
