"""Known recommenders, own code from their papers, as bars for the ranker and as ingredients of it. One file each."""
