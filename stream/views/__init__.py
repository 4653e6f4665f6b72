"""What ``interestream show`` shows: a user or a category read from the graph, as plain figures and as tables."""
