"""The self-tuned ranker: ingredients, a linear blend of them and small trees over it, all fitted on a shop's own past.

One configuration serves every shop. What shops need differently (gap weights, half-lives, whether items are taken
again, the blend) is found by test-then-learn at earlier cuts of the same shop, never on the targets of a test.
"""
