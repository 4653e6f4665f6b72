"""Text, items, users, devices and training: everything that turns words and histories into vectors.

The only package that imports torch and transformers. Knows nothing of Kafka, Neo4j or the graph's rules.
"""
