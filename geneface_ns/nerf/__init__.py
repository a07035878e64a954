"""The radiance field of `geneface`: field, occupancy, volume rendering, losses, draws. Plain torch."""
