"""Tracker dialects: bytes as a tracker sends them to interactions. One dialect per file."""
