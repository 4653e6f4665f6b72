"""User encoders: histories to vectors."""
