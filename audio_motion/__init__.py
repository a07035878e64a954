"""Speech or video -> landmark sequences: the sibling package that the nerfstudio method consumes."""
