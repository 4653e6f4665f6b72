"""I2 of items and categories, and the categories by which users are recomputed."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

import msgspec

from graph.model import ItemRow, category_ancestors
from graph.store import GraphStore
from stream.bundles import ItemRecord, decode_item
from stream.catalogue import Removal, decode_row
from stream.checking.findings import Findings, Invariant
from stream.checking.letters import Letter, Letters, named
from stream.checking.topics import Record
from stream.settings import Settings
from stream.trackers import Rejected

_PAGE = 500


class Catalogue:
    """The catalogue topic's last row of every item, and what the items topic made of it."""

    def __init__(self, settings: Settings, letters: Letters, findings: Findings) -> None:
        self._settings = settings
        self._letters = letters
        self._findings = findings
        self.rows: dict[str, ItemRow] = {}
        self.removed: set[str] = set()
        self.published: dict[str, ItemRecord] = {}
        self.complete = True
        """Whether no row is missing. Compaction takes former rows, and with them the categories they named."""
        self._items_complete = True
        """Whether no record of the items topic is missing. Compaction takes former ones, and what was derived then."""
        self._named: defaultdict[str, set[str | None]] = defaultdict(set)
        self._derived: defaultdict[str, set[str]] = defaultdict(set)
        self._again: set[str] = set()
        self._partition_of: dict[str, int] = {}
        self._expected: dict[tuple[str, int], int] = {}

    def take_row(self, record: Record) -> None:
        """Take in one record of the catalogue topic."""
        self.complete = self._follows(record) and self.complete
        letter = self._letters.about(record)
        try:
            row = decode_row(record.key, record.value, self._settings.trackers)
        except Rejected as rejected:
            self._judge_refused(record, rejected, letter)
            return
        if letter is not None:
            what = f"is about {named((record.topic, record.partition, record.offset))}, a good row"
            self._findings.differ(Invariant.DEAD_LETTERS, f"dead letter {letter.found_at}", what, "", letter.reason)
        if row.item_id in self._named:
            self._again.add(row.item_id)
        if self._partition_of.setdefault(row.item_id, record.partition) != record.partition:
            self._named[row.item_id].update(("in two partitions", None))  # which of the two came last, nobody knows
        if isinstance(row, Removal):
            self.rows.pop(row.item_id, None)
            self.removed.add(row.item_id)
            self._named[row.item_id].add(None)
        else:
            self.removed.discard(row.item_id)
            self.rows[row.item_id] = row
            self._named[row.item_id].add(row.category)

    def _follows(self, record: Record) -> bool:
        """Tell whether the record is the one after the last of its partition."""
        place = record.topic, record.partition
        follows = record.offset == self._expected.get(place, 0)
        self._expected[place] = record.offset + 1
        return follows

    def _judge_refused(self, record: Record, rejected: Rejected, letter: Letter | None) -> None:
        place = named((record.topic, record.partition, record.offset))
        expected = "/".join((rejected.stage, rejected.reason, rejected.field))
        if letter is None and self._letters.complete:
            self._findings.differ(Invariant.ACCOUNTING, place, "a bad row without a dead letter", rejected.reason)
        elif letter is None:
            self._findings.undecided["bad rows whose dead letters the broker may no longer have"] += 1
        else:
            found = "/".join((letter.stage, letter.reason, letter.field))
            where = f"dead letter {letter.found_at}"
            self._findings.compare(
                Invariant.DEAD_LETTERS, where, "says another reason than today's rules", expected, found
            )

    def take_item(self, record: Record) -> None:
        """Take in one record of the items topic."""
        self._items_complete = self._follows(record) and self._items_complete
        item_id = (record.key or b"").decode()
        if not record.value:
            self.published.pop(item_id, None)
            return
        item = self.published[item_id] = msgspec.structs.replace(decode_item(record.value), vector=b"")
        if item.row.derived and item.row.category is not None:
            self._derived[item_id].add(item.row.category)

    def category_of(self, item_id: str) -> str | None:
        """Return an item's category: the row's, else the one that was derived for it."""
        row = self.rows.get(item_id)
        if row is None:
            return None
        if row.category is not None:
            return row.category
        record = self.published.get(item_id)
        return record.row.category if record else None

    def moved(self, item_id: str) -> bool:
        """Tell whether an item may have been in another category before, named by the shop or derived."""
        named = self._named.get(item_id, set())
        if not self.complete or len(named) > 1:
            return True
        if named != {None}:
            return len(named | self._derived.get(item_id, set())) > 1
        if not self._items_complete and item_id in self._again:
            return True  # each row may have derived another one
        # Rows without a category come before the derived one: only to have none now is a change.
        return len({*self._derived.get(item_id, ()), self.category_of(item_id)}) > 1

    def _expected_row(self, row: ItemRow) -> ItemRow:
        if (record := self.published.get(row.item_id)) is not None:
            row = msgspec.structs.replace(row, micro_topic=record.row.micro_topic)
        if row.category is None and (category := self.category_of(row.item_id)) is not None:
            return msgspec.structs.replace(row, category=category, derived=True)
        return row

    async def check_items(self, store: GraphStore, step: Callable[[], None]) -> None:
        """Compare rows with the items topic and with the graph."""
        findings = self._findings
        for item_id in sorted(self.published.keys() - self.rows.keys()):
            findings.differ(Invariant.GRAPH, f"item {item_id}", "is on the items topic, but not in the catalogue")
        item_ids: list[str] = []
        while page := await store.item_ids(item_ids[-1] if item_ids else "", 10 * _PAGE):
            item_ids += page
        wanted = sorted(self.rows.keys() | set(item_ids))
        nodes = set(item_ids)
        for start in range(0, len(wanted), _PAGE):
            found = await store.load_items(wanted[start : start + _PAGE])
            for item_id in wanted[start : start + _PAGE]:
                step()
                findings.checked[Invariant.GRAPH] += 1
                self._check_item(item_id, found.get(item_id), item_id in nodes)

    def _check_item(self, item_id: str, found: ItemRow | None, node: bool) -> None:
        where = f"item {item_id}"
        row = self.rows.get(item_id)
        if row is None:
            if found is not None:
                self._findings.differ(Invariant.GRAPH, where, "has a row that the catalogue has not", "", found)
            return
        expected = self._expected_row(row)
        if not node:
            self._findings.differ(Invariant.GRAPH, where, "is missing", expected, "")
        else:
            self._findings.compare(Invariant.GRAPH, where, "row", expected, found)
        record = self.published.get(item_id)
        if record is None:
            self._findings.differ(Invariant.GRAPH, where, "is not on the items topic")
        else:
            self._findings.compare(Invariant.GRAPH, f"{where} on the items topic", "row", expected, record.row)

    async def check_categories(
        self, store: GraphStore, interested: Mapping[str, int] | None, step: Callable[[], None]
    ) -> None:
        """Compare categories and how many items and users point to them; ``interested`` is None when unknown."""
        filed: Counter[str] = Counter()
        derived: dict[str, bool] = {}
        for row in map(self._expected_row, self.rows.values()):
            if row.category is not None:
                filed[row.category] += 1
                for path in category_ancestors(row.category):
                    derived[path] = derived.get(path, True) and row.derived
        for categories in self._named.values():
            for category in categories - {None, "in two partitions"}:
                derived.update(dict.fromkeys(category_ancestors(str(category)), False))
        # What lost its last item stays in the graph as it was; one that was built anew since need not have it.
        former = {
            path for found in self._derived.values() for category in found for path in category_ancestors(category)
        }
        paths: list[str] = []
        while page := await store.category_paths(paths[-1] if paths else "", 10 * _PAGE):
            paths += page
        needed = derived.keys() | {p for path in interested or () for p in category_ancestors(path)}
        for path in sorted(needed - set(paths)):
            self._findings.differ(Invariant.GRAPH, f"category {path}", "is missing")
        for path in paths:
            step()
            self._findings.checked[Invariant.GRAPH] += 1
            view = await store.view_category(path)
            if view is None:
                continue
            where = f"category {path}"
            self._findings.compare(Invariant.GRAPH, where, "items", filed[path], view.items)
            if interested is not None:
                wanted = interested.get(path, 0)
                self._findings.compare(Invariant.GRAPH, where, "interested users", wanted, view.interested_users)
            flag = derived.get(path, path in former)
            unknown = path not in derived and not self._items_complete
            if view.derived != flag and not unknown and (self.complete or view.derived):
                self._findings.differ(Invariant.GRAPH, where, "derived", flag, view.derived)
