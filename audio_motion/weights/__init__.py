"""Models that come with the package: docs/models.md says what they learnt from."""
