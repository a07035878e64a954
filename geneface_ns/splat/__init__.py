"""The head as 3-D Gaussians: the rasteriser for CPUs, with gsplat's contract, and what is drawn with it."""
