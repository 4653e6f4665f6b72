// Which categories lead to which, by purchases: the strongest links that at least 5 users made.
MATCH path = (:Category)-[edge:BOUGHT_NEXT]->(:Category)
WHERE edge.users >= 5 AND edge.lift > 1
RETURN path ORDER BY edge.lift * edge.confidence DESC LIMIT 25
