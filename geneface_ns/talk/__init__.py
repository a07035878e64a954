"""From a video to a video in one command: what is to be done, in which order, and how long it takes."""
