// One user's micro-topics: what the recent history is about, finer than categories.
WITH 'u1' AS userId
MATCH (:User {userId: userId})-[touch:VIEWED|PURCHASED]->(item:Item)
WHERE item.microTopic IS NOT NULL
RETURN item.microTopic AS microTopic,
       sum(CASE WHEN touch:VIEWED THEN touch.count ELSE 0 END) AS views,
       sum(CASE WHEN touch:PURCHASED THEN touch.count ELSE 0 END) AS purchases,
       max(touch.lastAt) AS latest, collect(DISTINCT item) AS items
ORDER BY views + 5 * purchases DESC, latest DESC
