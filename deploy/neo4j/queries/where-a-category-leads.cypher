// Where one category leads, by views and by purchases, with the numbers behind each arrow.
WITH 'Home > Lanterns' AS path
MATCH (:Category {path: path})-[edge:VIEWED_NEXT|BOUGHT_NEXT]->(next:Category)
RETURN type(edge) AS family, next.path AS leadsTo, edge.users AS users,
       round(edge.confidence, 3) AS confidence, round(edge.lift, 2) AS lift, edge.updatedAt AS updatedAt
ORDER BY family, edge.confidence DESC LIMIT 50
