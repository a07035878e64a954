"""The capture directory on disk (docs/conventions.md): `capture` writes it, everything else reads it."""
