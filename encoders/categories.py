"""Categories for items that the shop gave none: the nearest of frozen, named centroids of text vectors."""

from encoders.base import FloatArray
from encoders.centroids import SEPARATOR, NamedCentroids

DERIVED_ROOT = "Derived"


class DerivedCategories(NamedCentroids):
    """Assigns category paths such as ``Derived > Candle``."""

    format = "interestream.categories/1"
    command = "interestream train categories"
    setting = "encoder.categories_file"

    @property
    def paths(self) -> list[str]:
        """The category of each centroid."""
        return [f"{DERIVED_ROOT}{SEPARATOR}{name}" for name in self.names]

    def assign(self, text_vectors: FloatArray) -> list[str]:
        """Return the path of the nearest centroid for each text vector (n, D); ties by order."""
        return [f"{DERIVED_ROOT}{SEPARATOR}{self.names[code]}" for code in self.nearest(text_vectors)]
