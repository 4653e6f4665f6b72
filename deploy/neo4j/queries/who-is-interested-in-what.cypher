// Who is interested in what: the latest active users and their five strongest interests.
MATCH (user:User)
WITH user ORDER BY user.lastEventAt DESC LIMIT 10
CALL (user) {
  MATCH path = (user)-[interest:INTERESTED_IN]->(:Category)
  RETURN path ORDER BY interest.rankKey DESC LIMIT 5
}
RETURN path
