"""From a talking video to a capture directory (docs/conventions.md, docs/capture.md)."""
