"""The edge of the product: Kafka, Faust, processes, contracts with the outside. The layer above the two others."""
