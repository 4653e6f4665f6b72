"""Fitting what the encoders need: projections, derived categories, models."""
