// One user's interests as they weigh now, strongest first. An interest halves in halfLifeDays.
WITH 'u1' AS userId, 7 AS halfLifeDays
MATCH (:User {userId: userId})-[interest:INTERESTED_IN]->(category:Category)
WITH interest, category, duration.inSeconds(interest.updatedAt, datetime()).seconds / 86400.0 / halfLifeDays AS halved
RETURN category.path AS category, round(interest.weight * 2 ^ (-halved), 3) AS weightNow,
       interest.views AS views, interest.purchases AS purchases,
       round(interest.score, 3) AS score, interest.updatedAt AS latest
ORDER BY interest.rankKey DESC
