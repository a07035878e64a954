"""Where motion comes from: a landmark sequence, speech, a trajectory of head and body."""
