"""The words of site trackers, one dialect per file: their bytes become our interactions here, and nowhere else."""

from stream.trackers.dialect import decode
from stream.trackers.outcome import EXPLANATIONS, Decoded, Explanation, Reason, Rejected, Stage
from stream.trackers.recognition import event_fields

__all__ = ["EXPLANATIONS", "Decoded", "Explanation", "Reason", "Rejected", "Stage", "decode", "event_fields"]
