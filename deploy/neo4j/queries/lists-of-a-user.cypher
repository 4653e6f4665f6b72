// The two lists that were last published for a user, best first.
WITH 'u1' AS userId
MATCH (user:User {userId: userId})
UNWIND [{name: 'cross-sell', items: user.crossSell}, {name: 'up-sell', items: user.upSell}] AS list
UNWIND range(1, size(list.items)) AS place
MATCH (item:Item {itemId: list.items[place - 1]})
OPTIONAL MATCH (item)-[:IN_CATEGORY]->(category:Category)
RETURN list.name AS list, place, item.itemId AS itemId, item.name AS name, category.path AS category,
       item.price AS price, item.currency AS currency
ORDER BY list, place
