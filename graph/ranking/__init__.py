"""Candidates, features, rules and reasons: from a user and the replicas to two lists."""
