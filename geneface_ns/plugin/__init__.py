"""Everything that imports nerfstudio."""
