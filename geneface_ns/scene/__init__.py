"""What every method shows: camera, condition, landmark displacement, torso, compositing. Plain torch."""
