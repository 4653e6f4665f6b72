"""The for-you list: what a user will take next, of any category, by the ranker of the evaluation."""
