"""Motion as the 52 blendshapes of ARKit, which game engines and other avatars speak: out of landmarks, and back."""

from audio_motion.arkit.files import MOTION_SUFFIXES, load_motion, save_motion

__all__ = ["MOTION_SUFFIXES", "load_motion", "save_motion"]
