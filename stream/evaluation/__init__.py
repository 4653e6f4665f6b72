"""Offline judgement of lists: protocols, baselines, the self-tuned ranker, metrics, and their report."""
