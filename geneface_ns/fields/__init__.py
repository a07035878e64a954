"""The fields: what the head and the torso look like, given landmarks, pose and body motion."""
