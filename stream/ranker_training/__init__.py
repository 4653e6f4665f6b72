"""The weights of the worker's ranker, learned from a shop's own log by the worker's own code."""
