"""What every method shows and is trained on: camera, condition, landmark displacement, torso, compositing, frames."""
