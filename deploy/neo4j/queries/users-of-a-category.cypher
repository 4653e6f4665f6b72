// The users most interested in a category, and all that their interest rests on.
WITH 'Home > Candles' AS path
MATCH (user:User)-[interest:INTERESTED_IN]->(category:Category {path: path})
WITH user, interest, category ORDER BY interest.rankKey DESC LIMIT 10
OPTIONAL MATCH evidence = (user)-[:VIEWED|PURCHASED]->(:Item)-[:IN_CATEGORY]->(category)
RETURN user, interest, category, evidence
