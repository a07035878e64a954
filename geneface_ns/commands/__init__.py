"""The `geneface` commands: a tyro dataclass each."""
