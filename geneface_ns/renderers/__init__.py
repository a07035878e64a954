"""From a condition and a camera to a picture. One contract; every fast renderer is tested against the reference."""
