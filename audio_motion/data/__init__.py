"""What the networks learn from and are measured on: recordings, their alignment, splits, augmentation."""
