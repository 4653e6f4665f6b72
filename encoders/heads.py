"""Scores between users and what they may want."""

from encoders.base import FloatArray
from encoders.projection import normalise


def interest_scores(users: FloatArray, categories: FloatArray) -> FloatArray:
    """Return (B, C) float32 cosines of users (B, d) and categories (C, d); 0 where either is the zero vector."""
    scores: FloatArray = normalise(users) @ normalise(categories).T
    return scores
