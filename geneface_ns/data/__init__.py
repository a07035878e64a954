"""Reading a capture directory: its description, its frames, and their way into nerfstudio."""
