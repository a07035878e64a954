"""Speech -> [T, C] features at 50 Hz."""
