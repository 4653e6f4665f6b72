"""Protocols: how a log becomes a test, and earlier tests of the same kind to learn from. One file each."""
