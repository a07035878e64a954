"""A folder of talking videos in, training shards out (docs/corpus.md)."""
