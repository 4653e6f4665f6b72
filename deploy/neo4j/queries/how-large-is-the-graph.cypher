// How large the graph is, and when it last changed.
RETURN count { (:User) } AS users, count { (:Category) } AS categories, count { (:Item) } AS items,
       count { ()-[:INTERESTED_IN]->() } AS interests, count { ()-[:BOUGHT_NEXT]->() } AS boughtNext,
       count { ()-[:VIEWED_NEXT]->() } AS viewedNext,
       COLLECT { MATCH (user:User) RETURN max(user.lastEventAt) }[0] AS lastEventAt
