"""Cross-sell judged by relations, as further tests of a run."""

from collections.abc import Mapping
from pathlib import Path

from stream.evaluation.contest import Contest, Section
from stream.evaluation.interactions import Catalogue, Knowledge
from stream.evaluation.plan import PlannedTest, Shop
from stream.evaluation.relations import (
    COMPLEMENTS,
    SUBSTITUTES,
    Relation,
    cross_category_split,
    read_relation,
    relation_split,
    share_of_related,
)
from stream.event_files import EventFileError

JUDGED_PLACES = 10

Relations = Mapping[str, Relation]


def read_relations(folder: Path, catalogue: Catalogue) -> Relations:
    """Read all relations of a folder. Raises EventFileError, also where they hold no pair of the catalogue's items."""
    if not folder.is_dir():
        raise EventFileError(f"{folder} is not a folder of item relations")
    relations = {name: read_relation(folder, name, catalogue) for name in (*COMPLEMENTS, SUBSTITUTES)}
    if not any(len(relations[name].items) for name in COMPLEMENTS):
        raise EventFileError(
            f"{folder}: {' and '.join(COMPLEMENTS)} hold no pair of items of the catalogue; are both of one shop?"
        )
    return relations


def relation_tests(shop: Shop, relations: Relations) -> tuple[list[PlannedTest], dict[str, str]]:
    """Return a test per relation that cross-sell is judged by, and why others cannot be made."""
    knowledge = Knowledge(shop.log, shop.catalogue, int(shop.log.times.max()))
    earlier = cross_category_split(shop.log, shop.catalogue)
    tests, left_out = [], {}
    for name in COMPLEMENTS:
        split = relation_split(knowledge, relations[name])
        if not len(split.cases):
            left_out[name] = "it holds no pair of the catalogue's items of two top categories"
        elif not len(earlier.cases) or not len(earlier.knowledge.log):
            left_out[name] = "the log holds no pair of items of two top categories to learn from"
        else:
            tests.append(PlannedTest(name, split, (earlier,)))
    return tests, left_out


def run_relations(
    shop: Shop, relations: Relations, contest: Contest
) -> tuple[list[Section], dict[str, dict[str, float]], dict[str, str]]:
    """Return the sections, the shares of each one's lists that relations hold, and why other tests were left out."""
    tests, left_out = relation_tests(shop, relations)
    sections = contest.run(tests)
    return sections, {section.name: _shares(section, shop, relations) for section in sections}, left_out


def _shares(section: Section, shop: Shop, relations: Relations) -> dict[str, float]:
    return {
        f"{name}@{JUDGED_PLACES}": share_of_related(
            section.lists, section.cases, relation, len(shop.catalogue), JUDGED_PLACES
        )
        for name, relation in relations.items()
    }
