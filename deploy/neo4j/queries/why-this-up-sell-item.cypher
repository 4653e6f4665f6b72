// Why this user got this up-sell item: the cheaper items of the same category that the user looked at or bought.
WITH 'u1' AS userId, '85123' AS itemId
MATCH (item:Item {itemId: itemId})
MATCH why = (:User {userId: userId})-[touch:VIEWED|PURCHASED]->(anchor:Item)-[:IN_CATEGORY]->(:Category)
            <-[:IN_CATEGORY]-(item)
WHERE anchor.price < item.price AND anchor.currency = item.currency
RETURN why ORDER BY touch.lastAt DESC LIMIT 10
