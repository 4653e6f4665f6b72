"""How much people come and go by each item: what popularity is made of."""

import numpy as np

from graph.model import Level
from graph.ranking.associations import AssociationIndex
from graph.ranking.codes import Alignment
from graph.ranking.items import ItemIndex
from graph.ranking.levels import marginal_weights
from graph.ranking.ragged import FloatArray


class ItemWeights:
    """Remembers which rows the associations' items have: finding them anew is most of the work in a large shop.

    rows_of_nodes: the row of each node of the item level.
    """

    def __init__(self, items: ItemIndex, associations: AssociationIndex) -> None:
        self._items = items
        self._level = associations.level(Level.ITEM)
        self.rows_of_nodes = Alignment(self._level.nodes, items.ids)

    def current(self) -> FloatArray:
        """Return (n,) the decayed weights of the transitions that leave and reach each item, of all users."""
        weights = np.zeros(len(self._items))
        rows = self.rows_of_nodes.codes()
        weights[rows[rows >= 0]] = marginal_weights(self._level)[rows >= 0]
        return weights
