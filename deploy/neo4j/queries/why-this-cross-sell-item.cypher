// Why this user got this cross-sell item: from an interest, along what others bought or viewed next, to the item.
WITH 'u1' AS userId, '84946' AS itemId
MATCH why = (:User {userId: userId})-[interest:INTERESTED_IN]->(:Category)
            -[:BOUGHT_NEXT|VIEWED_NEXT]->(:Category)<-[:IN_CATEGORY]-(:Item {itemId: itemId})
RETURN why ORDER BY interest.rankKey DESC LIMIT 10
