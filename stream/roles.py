"""What a worker can be."""

from enum import StrEnum


class Role(StrEnum):
    """What a worker can be; each is an app and a consumer group of its own."""

    INTAKE = "intake"
    INTEREST = "interest"
    ASSOCIATION = "association"
    CATALOGUE = "catalogue"
