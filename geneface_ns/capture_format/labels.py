"""The labels in a capture's masks."""

BACKGROUND, HEAD, TORSO = 0, 1, 2
