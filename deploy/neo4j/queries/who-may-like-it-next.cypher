// Who may like a category next: users whose interests lead there and who have shown none in it yet.
WITH 'Home > Candles' AS path
MATCH (target:Category {path: path})<-[edge:BOUGHT_NEXT]-(source:Category)<-[interest:INTERESTED_IN]-(user:User)
WHERE NOT EXISTS { (user)-[:INTERESTED_IN]->(target) }
RETURN user.userId AS userId, collect(source.path) AS comingFrom,
       round(max(edge.confidence), 3) AS confidence, max(interest.rankKey) AS rankKey
ORDER BY confidence DESC, rankKey DESC LIMIT 25
