"""Numba kernels for the CPU. Each stands beside a plain-torch twin, which other devices use and tests compare with."""
