"""Micro-topics: finer than the shop's categories, and across them. Each item has the nearest one."""

from encoders.base import FloatArray
from encoders.centroids import NamedCentroids


class MicroTopics(NamedCentroids):
    """Assigns names such as ``T-light Holder``."""

    format = "interestream.micro-topics/1"
    command = "interestream train micro-topics"
    setting = "encoder.micro_topics_file"

    def assign(self, text_vectors: FloatArray) -> list[str]:
        """Return the name of the nearest centroid for each text vector (n, D); ties by order."""
        return [self.names[code] for code in self.nearest(text_vectors)]
