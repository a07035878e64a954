"""GeneFace as a nerfstudio method: capture, fields, model, rendering, evaluation."""
