"""Every Cypher statement of the Neo4j store. Values come as parameters only: no text is ever built.

Rows of the hot statements are lists, not maps: packing a map's keys again for every row costs the client a third more
time. Each such statement gives its columns names before it uses them. Times are integer milliseconds outside and
DATETIME (UTC) inside. What is read in bulk comes as one row that holds a list: the driver awaits every row twice.

Locks are taken in one order: ledgers by key, users by id (both have one owner), then the pen, then everything else.
Only who holds the pen creates or deletes edges and shared nodes. Without it, transactions that meet at items and
categories with few edges lock each other out whatever order they keep, because an edge is chained to its neighbours'
edges: four writers did half the work, and one could starve (see tests/bench/bench_graph_store.py).
"""

from typing import LiteralString

TAKE_PEN: LiteralString = """
MATCH (schema:SchemaVersion {name: 'interestream'})
SET schema.touched = datetime()
"""

# -- ledgers ----------------------------------------------------------------------------------------------------------

CLAIM_LEDGERS: LiteralString = """
UNWIND $owners AS row
MERGE (ledger:StreamOffset {key: row.key})
ON CREATE SET ledger.applied = -1, ledger.sources = $nothing, ledger.outbox = $nothing
SET ledger.owner = row.owner
RETURN ledger.key, ledger.owner, ledger.applied, ledger.sources, ledger.outbox
"""

READ_LEDGERS: LiteralString = """
UNWIND $keys AS key
MATCH (ledger:StreamOffset {key: key})
RETURN ledger.key, ledger.owner, ledger.applied, ledger.sources, ledger.outbox
"""

MOVE_LEDGERS: LiteralString = """
UNWIND $moves AS move
MATCH (ledger:StreamOffset {key: move.key})
SET ledger.touched = datetime()
WITH ledger, move, ledger.owner AS owner, ledger.applied AS applied
SET ledger.applied = move.applied, ledger.sources = move.sources, ledger.outbox = move.outbox
RETURN move.key, owner, applied
"""
"""Lock each ledger by writing ``touched``, *then* read owner and applied, then move it; the caller judges what was read
and rolls back. A read before the write could be of a value that another transaction is about to replace."""

# -- users ------------------------------------------------------------------------------------------------------------

WRITE_USERS: LiteralString = """
UNWIND $users AS row
WITH row[0] AS userId, row[1] AS events, row[2] AS lastEventAt, row[3] AS version, row[4] AS crossSell,
     row[5] AS upSell, row[6] AS bytes, row[7] AS unresolved
MERGE (user:User {userId: userId})
ON CREATE SET user.name = userId
SET user.events = events, user.lastEventAt = datetime({epochMillis: lastEventAt}), user.version = version,
    user.crossSell = crossSell, user.upSell = upSell
MERGE (state:UserState {userId: userId})
SET state.state = bytes, state.unresolved = unresolved
"""
"""Writing a user takes its lock: nobody else draws edges from it until we are done."""

DRAW_EDGES: LiteralString = """
UNWIND $users AS row
WITH row[0] AS userId, row[1] AS views, row[2] AS purchases, row[3] AS interests
MATCH (user:User {userId: userId})
CALL (user, views, purchases) {
  OPTIONAL MATCH (user)-[edge:VIEWED|PURCHASED]->(item:Item)
  WITH edge, item.itemId AS itemId, type(edge) = 'PURCHASED' AS purchased
  WITH edge, itemId, purchased, CASE WHEN purchased THEN purchases[itemId] ELSE views[itemId] END AS now
  WITH edge, itemId, purchased, now, edge.count = now[0] AND edge.lastAt.epochMillis = now[1] AS same
  FOREACH (gone IN CASE WHEN now IS NULL AND edge IS NOT NULL THEN [edge] ELSE [] END | DELETE gone)
  FOREACH (kept IN CASE WHEN now IS NULL OR same THEN [] ELSE [edge] END |
    SET kept.count = now[0], kept.lastAt = datetime({epochMillis: now[1]}))
  WITH collect(CASE WHEN purchased THEN itemId END) AS bought, collect(CASE WHEN NOT purchased THEN itemId END) AS seen
  UNWIND [itemId IN keys(views) WHERE NOT itemId IN seen | [itemId, views[itemId], null]] +
         [itemId IN keys(purchases) WHERE NOT itemId IN bought | [itemId, null, purchases[itemId]]] AS fresh
  WITH fresh[0] AS itemId, fresh[1] AS view, fresh[2] AS purchase
  OPTIONAL MATCH (item:Item {itemId: itemId})
  FOREACH (target IN CASE WHEN item IS NULL OR view IS NULL THEN [] ELSE [item] END |
    CREATE (user)-[:VIEWED {count: view[0], lastAt: datetime({epochMillis: view[1]})}]->(target))
  FOREACH (target IN CASE WHEN item IS NULL OR purchase IS NULL THEN [] ELSE [item] END |
    CREATE (user)-[:PURCHASED {count: purchase[0], lastAt: datetime({epochMillis: purchase[1]})}]->(target))
  RETURN collect(CASE WHEN item IS NULL THEN itemId END) AS missingItems
}
CALL (user, interests) {
  OPTIONAL MATCH (user)-[edge:INTERESTED_IN]->(category:Category)
  WITH edge, category.path AS path, interests[category.path] AS now
  WITH edge, path, now, edge.weight = now[0] AND edge.updatedAt.epochMillis = now[1] AND edge.rankKey = now[2]
    AND edge.views = now[4] AND edge.purchases = now[5] AS same, edge.score = now[3] AS sameScore
  FOREACH (gone IN CASE WHEN now IS NULL AND edge IS NOT NULL THEN [edge] ELSE [] END | DELETE gone)
  FOREACH (kept IN CASE WHEN now IS NULL OR same THEN [] ELSE [edge] END |
    SET kept.weight = now[0], kept.updatedAt = datetime({epochMillis: now[1]}), kept.rankKey = now[2],
        kept.views = now[4], kept.purchases = now[5])
  FOREACH (kept IN CASE WHEN now IS NULL OR sameScore THEN [] ELSE [edge] END | SET kept.score = now[3])
  WITH collect(path) AS drawn
  UNWIND [path IN keys(interests) WHERE NOT path IN drawn] AS path
  OPTIONAL MATCH (category:Category {path: path})
  WITH path, category, interests[path] AS now
  FOREACH (target IN CASE WHEN category IS NULL THEN [] ELSE [category] END |
    CREATE (user)-[:INTERESTED_IN {weight: now[0], updatedAt: datetime({epochMillis: now[1]}), rankKey: now[2],
                                   score: now[3], views: now[4], purchases: now[5]}]->(target))
  RETURN collect(CASE WHEN category IS NULL THEN path END) AS missingCategories
}
WITH missingCategories, missingItems WHERE size(missingCategories) + size(missingItems) > 0
RETURN missingCategories, missingItems
"""
"""Make all edges of users what they are now; return a row per user that points to nodes that do not exist.

The edges a user has are walked once: those that changed are set (a comparison costs far less than a write), those that
are not given are deleted, and only new ones look their target up in an index. No relationship MERGE, which would lock
popular categories for everybody.
"""

ERASE_USERS: LiteralString = """
UNWIND $userIds AS userId
OPTIONAL MATCH (user:User {userId: userId})
OPTIONAL MATCH (state:UserState {userId: userId})
DETACH DELETE user
DELETE state
"""

LOAD_USERS: LiteralString = """
UNWIND $userIds AS userId
MATCH (state:UserState {userId: userId})
MATCH (user:User {userId: userId})
RETURN collect([userId, user.version, state.state])
"""

USER_IDS: LiteralString = """
MATCH (user:User) WHERE user.userId > $after
RETURN user.userId ORDER BY user.userId LIMIT $limit
"""

# Reads every interest in the category: news of items are few.
INTERESTED_USERS: LiteralString = """
MATCH (:Category {path: $path})<-[edge:INTERESTED_IN]-(user:User) WHERE edge.rankKey >= $least
RETURN user.userId ORDER BY edge.rankKey DESC, user.userId LIMIT $limit
"""

UNRESOLVED_USERS: LiteralString = """
MATCH (state:UserState) WHERE state.unresolved = $ledger AND state.userId > $after
RETURN state.userId ORDER BY state.userId LIMIT $limit
"""

VIEW_USER: LiteralString = """
MATCH (user:User {userId: $userId})
RETURN user.events, user.lastEventAt.epochMillis, user.version, user.crossSell, user.upSell,
  [(user)-[edge:INTERESTED_IN]->(category:Category) |
    [category.path, edge.weight, edge.updatedAt.epochMillis, edge.rankKey, edge.views, edge.purchases, edge.score]],
  [(user)-[edge:VIEWED]->(item:Item) | [item.itemId, false, edge.count, edge.lastAt.epochMillis]] +
  [(user)-[edge:PURCHASED]->(item:Item) | [item.itemId, true, edge.count, edge.lastAt.epochMillis]]
"""

# -- stubs ------------------------------------------------------------------------------------------------------------

MERGE_CATEGORIES: LiteralString = """
UNWIND $categories AS row
MERGE (category:Category {path: row.path})
ON CREATE SET category.name = row.name, category.level = row.level
WITH category, row WHERE row.parent IS NOT NULL
MATCH (parent:Category {path: row.parent})
MERGE (category)-[:CHILD_OF]->(parent)
"""

MERGE_ITEM_STUBS: LiteralString = """
UNWIND $itemIds AS itemId
MERGE (item:Item {itemId: itemId})
ON CREATE SET item.name = itemId
"""

# -- catalogue --------------------------------------------------------------------------------------------------------

MARK_CATEGORIES: LiteralString = """
UNWIND $categories AS row
MATCH (category:Category {path: row.path})
WHERE category.derived IS NULL OR (category.derived AND NOT row.derived)
SET category.derived = coalesce(category.derived, true) AND row.derived
"""
"""``derived`` goes from unset to true to false and never back. Only categories that may change are locked: locking the
roots in every transaction would let one go at a time. A SET whose value reads the property it sets locks before it
reads, so what the filter saw need not hold any more.
"""

WRITE_ITEMS: LiteralString = """
UNWIND $rows AS row
WITH row[0] AS itemId, row[1] AS name, row[2] AS title, row[3] AS category, row[4] AS derived, row[5] AS brand,
     row[6] AS price, row[7] AS currency, row[8] AS available, row[9] AS quality, row[10] AS microTopic
MERGE (item:Item {itemId: itemId})
SET item.name = name, item.title = title, item.brand = brand, item.price = price, item.currency = currency,
    item.available = available, item.quality = quality, item.microTopic = microTopic
WITH item, category, derived
CALL (item, category) {
  MATCH (item)-[former:IN_CATEGORY]->(other:Category) WHERE category IS NULL OR other.path <> category
  DELETE former
}
WITH item, category, derived WHERE category IS NOT NULL
MATCH (node:Category {path: category})
OPTIONAL MATCH (item)-[edge:IN_CATEGORY]->(node)
FOREACH (_ IN CASE WHEN edge IS NULL THEN [1] ELSE [] END | CREATE (item)-[:IN_CATEGORY {derived: derived}]->(node))
FOREACH (kept IN CASE WHEN edge IS NULL THEN [] ELSE [edge] END | SET kept.derived = derived)
"""

REMOVE_ITEMS: LiteralString = """
UNWIND $itemIds AS itemId
MATCH (item:Item {itemId: itemId})
SET item.name = itemId
REMOVE item.title, item.brand, item.price, item.currency, item.available, item.quality, item.microTopic
WITH item
CALL (item) {
  MATCH (item)-[edge:IN_CATEGORY]->(:Category)
  DELETE edge
}
WITH item WHERE NOT EXISTS { (item)<-[:VIEWED|PURCHASED]-(:User) }
DELETE item
"""

LOAD_ITEMS: LiteralString = """
UNWIND $itemIds AS itemId
MATCH (item:Item {itemId: itemId}) WHERE item.available IS NOT NULL
OPTIONAL MATCH (item)-[edge:IN_CATEGORY]->(category:Category)
RETURN collect([itemId, item.title, category.path, coalesce(edge.derived, false), item.brand, item.price,
                item.currency, item.available, item.quality, item.microTopic])
"""

ITEM_IDS: LiteralString = """
MATCH (item:Item) WHERE item.itemId > $after
RETURN item.itemId ORDER BY item.itemId LIMIT $limit
"""

CATEGORY_PATHS: LiteralString = """
MATCH (category:Category) WHERE category.path > $after
RETURN category.path ORDER BY category.path LIMIT $limit
"""

VIEW_CATEGORY: LiteralString = """
MATCH (category:Category {path: $path})
RETURN coalesce(category.derived, false),
  count { (category)<-[:IN_CATEGORY]-() },
  count { (category)<-[:INTERESTED_IN]-() },
  [(category)-[edge:VIEWED_NEXT|BOUGHT_NEXT]->(other:Category) |
    [type(edge), category.path, other.path, edge.weight, edge.users, edge.confidence, edge.lift,
     edge.updatedAt.epochMillis]],
  [(category)<-[edge:VIEWED_NEXT|BOUGHT_NEXT]-(other:Category) |
    [type(edge), other.path, category.path, edge.weight, edge.users, edge.confidence, edge.lift,
     edge.updatedAt.epochMillis]]
"""

# -- associations -----------------------------------------------------------------------------------------------------

LOAD_ASSOCIATIONS: LiteralString = """
UNWIND $keys AS key
MATCH (state:AssociationState {key: key})
RETURN collect([key, state.state])
"""

WRITE_ASSOCIATION_STATES: LiteralString = """
UNWIND $states AS row
MERGE (state:AssociationState {key: row[0]})
SET state.state = row[1]
"""

DELETE_ASSOCIATION_STATES: LiteralString = """
UNWIND $keys AS key
MATCH (state:AssociationState {key: key})
DELETE state
"""

DROP_VIEWED_NEXT: LiteralString = """
UNWIND $edges AS row
MATCH (:Category {path: row[0]})-[edge:VIEWED_NEXT]->(:Category {path: row[1]})
DELETE edge
"""

DROP_BOUGHT_NEXT: LiteralString = """
UNWIND $edges AS row
MATCH (:Category {path: row[0]})-[edge:BOUGHT_NEXT]->(:Category {path: row[1]})
DELETE edge
"""

WRITE_VIEWED_NEXT: LiteralString = """
UNWIND $edges AS row
OPTIONAL MATCH (source:Category {path: row[0]})
OPTIONAL MATCH (target:Category {path: row[1]})
OPTIONAL MATCH (source)-[edge:VIEWED_NEXT]->(target)
FOREACH (_ IN CASE WHEN edge IS NULL AND source IS NOT NULL AND target IS NOT NULL THEN [1] ELSE [] END |
  CREATE (source)-[:VIEWED_NEXT {weight: row[2], users: row[3], confidence: row[4], lift: row[5],
                                 updatedAt: datetime({epochMillis: row[6]})}]->(target))
FOREACH (kept IN CASE WHEN edge IS NULL THEN [] ELSE [edge] END |
  SET kept.weight = row[2], kept.users = row[3], kept.confidence = row[4], kept.lift = row[5],
      kept.updatedAt = datetime({epochMillis: row[6]}))
WITH [path IN [CASE WHEN source IS NULL THEN row[0] END, CASE WHEN target IS NULL THEN row[1] END]
      WHERE path IS NOT NULL] AS missing
UNWIND missing AS path
RETURN DISTINCT path
"""

WRITE_BOUGHT_NEXT: LiteralString = """
UNWIND $edges AS row
OPTIONAL MATCH (source:Category {path: row[0]})
OPTIONAL MATCH (target:Category {path: row[1]})
OPTIONAL MATCH (source)-[edge:BOUGHT_NEXT]->(target)
FOREACH (_ IN CASE WHEN edge IS NULL AND source IS NOT NULL AND target IS NOT NULL THEN [1] ELSE [] END |
  CREATE (source)-[:BOUGHT_NEXT {weight: row[2], users: row[3], confidence: row[4], lift: row[5],
                                 updatedAt: datetime({epochMillis: row[6]})}]->(target))
FOREACH (kept IN CASE WHEN edge IS NULL THEN [] ELSE [edge] END |
  SET kept.weight = row[2], kept.users = row[3], kept.confidence = row[4], kept.lift = row[5],
      kept.updatedAt = datetime({epochMillis: row[6]}))
WITH [path IN [CASE WHEN source IS NULL THEN row[0] END, CASE WHEN target IS NULL THEN row[1] END]
      WHERE path IS NOT NULL] AS missing
UNWIND missing AS path
RETURN DISTINCT path
"""

ASSOCIATION_EDGES: LiteralString = """
MATCH (source:Category)-[edge:VIEWED_NEXT|BOUGHT_NEXT]->(target:Category)
RETURN collect([type(edge), source.path, target.path, edge.weight, edge.users, edge.confidence, edge.lift,
                edge.updatedAt.epochMillis])
"""
