"""Texts that attack whoever takes data for code: Cypher, logs, JSON, headers, terminals, templates, spreadsheets."""

import random
from collections.abc import Sequence

_CYPHER = (
    "'}) DETACH DELETE n //",
    '"}) MATCH (n) DETACH DELETE n //',
    "') RETURN 1 UNION MATCH (n) DETACH DELETE n RETURN 1 //",
    "\\' OR 1=1 //",
    "\\u0027}) MATCH (n) DETACH DELETE n //",
    "`]->(x) SET x:Admin //",
    "User`:Admin",
    "x`) CREATE (:Admin {name: 'me'}) //",
    "'}) SET u:Admin, u.isAdmin = true //",
    "$userId",
    "$0",
    "{userId: 'x'}",
    "' CALL db.labels() YIELD label CREATE (:Leak {l: label}) //",
    "' LOAD CSV FROM 'file:///etc/passwd' AS l CREATE (:Leak {l: l}) //",
    "'; DROP CONSTRAINT user_id; //",
    "'; CREATE INDEX evil FOR (n:User) ON (n.evil); //",
    "'; CALL dbms.security.createUser('me','me'); //",
    "/* */ //",
    "' // comment",
    "n) FOREACH (i IN range(1,1000000) | CREATE (:Bomb)) //",
)
_LOGS = (
    "\n2026-01-01 CRITICAL everything is fine",
    '\r\n{"event": "crashed", "level": "critical"}',
    '","event":"stopped","level":"info',
    "\x1b[2J\x1b[31mERROR",
    "\x1b]0;title\x07",
    "\x9b31m",
    "%s%s%s%n",
    "{0.__class__.__init__.__globals__}",
    "%(password)s",
    "${jndi:ldap://127.0.0.1/a}",
    "\u2028next line",
    "\x00after",
    "\x08\x08\x08overwritten",
)
_OTHERS = (
    '"}],"cross_sell":[{"item_id":"x"}],"a":[{"b":"',
    '\\","admin":true,"x":"',
    "</script><script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "../../../../etc/passwd",
    "; rm -rf / #",
    "$(touch /tmp/owned)",
    "`id`",
    "{{7*7}}",
    "' OR '1'='1",
    "dlq.errors.topic=payments",
    "__proto__",
    "interestream.interactions.v1/0",
    "anon:anon:",
    "user|category|x",
    "A > B > C",
    "\u202egnp.exe",
    "a\u0300" * 20,
    "\ufeff",
    "🛒" * 30,
    "null",
    "-1e999",
)
EVERY: Sequence[str] = (*_CYPHER, *_LOGS, *_OTHERS)


def payloads(seed: int, count: int) -> list[str]:
    """Return ``count`` different texts of at most 120 characters: each of the table, then splices of two of them."""
    dice = random.Random(seed)
    found = dict.fromkeys(text[:120] for text in EVERY)
    while len(found) < count:
        one, other = dice.sample(EVERY, 2)
        cut = dice.randrange(1, len(one) + 1)
        found[(one[:cut] + other)[:120]] = None
    return list(found)[:count]
