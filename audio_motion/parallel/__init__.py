"""The same work on many things at once, in processes of this machine or on a Ray cluster."""

from audio_motion.parallel.child import Died
from audio_motion.parallel.outcome import Outcome, follow
from audio_motion.parallel.processes import cores
from audio_motion.parallel.workers import each

__all__ = ["Died", "Outcome", "cores", "each", "follow"]
