"""Whether topics and graph say the same: recomputed from the log, counted anew, never asked of the workers.

=====================  ===========================================================================================
dispositions.py        I1, I10: each source record became interactions, was set aside, or is a dead letter: one of them
causes.py              what the bundles hold of each source record
letters.py             the dead letters, by the record that each is about
replay.py, users.py    I1, I2, I3, I5: users recomputed from the bundles, in the order in which they arrived
deltas.py              whether the deltas that were sent are those which the recomputed users make
associations.py        I2, I5: associations added up from the deltas that were sent
pairs.py               I2: and from the recomputed users
catalogue.py           I2: items and categories
published.py           I3, I4: the recommendations topic
ledgers.py             I6: how far each partition is applied
lists.py               I2: lists ranked anew, on request
=====================  ===========================================================================================

check.py runs them in order. What the functions of graph.advance and graph.interest say is the specification; the log
decides in which order they are called. docs/guides/checking.md says what is compared, and what cannot be.
"""
