"""A real Kafka and a real Neo4j on this machine, from their published jars: no containers, loopback only.

``interestream up`` and the integration tests start them the same way. Needs Java 17 or newer, and Maven once.
"""
