"""Interests, categories, decay, associations, lists, and the stores that keep them.

Knows nothing of Kafka, Faust, torch or processes. Every calculation is a pure function of data with the clock
passed in; input and output happen only in the stores.
"""
