"""Names of clusters, from the terms that tell one cluster's titles from the others'."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import log

WORD = re.compile(r"[^\W\d_](?:[\w'-]*[^\W\d_])?")

_COUNTS_AND_SIZES = """
    a an and at by for from in is it its my no of on or our that the this to w with you your
    set sets pack packs pair pcs piece pieces of asstd assorted asst assortment various each dozen cm mm gm kg ml
    one two three four five six seven eight nine ten twelve single double twin triple tier multi
    small medium large mini midi giant jumbo big little tiny long short tall wide thin slim size sized
    shape shaped colour color coloured colored colours design designs style effect finish
"""

_LOOKS = """
    round square oblong oval rectangular point heart hearts star stars
    red pink blue green yellow orange purple black white grey gray brown cream ivory silver gold golden copper bronze
    amber amethyst aqua turquoise turq lilac mauve ruby emerald jade coral fuchsia clear light dark pastel multicolour
    new vintage antique ant retro classic traditional modern edwardian regency
    victorian english french danish nordic rustic shabby chic cute lovely pretty sweet happy funky
    polkadot spot spots spotty retrospot stripe stripes stripey striped paisley gingham tartan floral
    wood wooden metal glass ceramic zinc enamel wicker plastic acrylic crystal diamante
    hanging standing folding flying decorated painted decorative beaded scented polished chinese indian moroccan
"""

UNTELLING = frozenset(_COUNTS_AND_SIZES.split())
"""Words that tell nothing of a thing's kind: articles, counts, sizes."""

DESCRIPTIVE = UNTELLING | frozenset(_LOOKS.split())
"""Words that describe a thing rather than name it: those, and shapes, colours, periods, patterns, materials."""

LONGEST_TERM = 3
"""Words in a term: "hot water bottle"."""

GROWS_FROM = 0.6
"""A word grows to a longer term that stands in at least this share of the titles with the word."""

GROWN_COVERS = 0.1
"""A longer term must stand in at least this share of the cluster's titles: it names the cluster, not one item."""

SECOND_TERM_BELOW = 0.5
"""A first term that a smaller share of the cluster's titles has is joined by a second."""


def title_words(title: str) -> list[str]:
    """Return the words of a title in lower case, numbers and single letters left out.

    >>> title_words("SET/6 RED T-LIGHT HOLDERS 10cm")
    ['set', 'red', 't-light', 'holders', 'cm']
    """
    return [word for word in WORD.findall(title.lower()) if len(word) > 1]


def nouns(title: str) -> list[str]:
    """Return the words of a title that do not merely describe; all its words when there are no others.

    >>> nouns("SET OF 6 RED RETROSPOT MUGS")
    ['mugs']
    """
    words = title_words(title)
    return [word for word in words if word not in DESCRIPTIVE] or words


def telling_words(title: str) -> list[str]:
    """Return the words of a title that tell its kind or its look; all its words when there are no others.

    >>> telling_words("SET OF 6 RED RETROSPOT MUGS")
    ['red', 'retrospot', 'mugs']
    """
    words = title_words(title)
    return [word for word in words if word not in UNTELLING] or words


def name_clusters(
    titles: Sequence[str],
    labels: Sequence[int],
    clusters: int,
    kept: Mapping[int, str] | None = None,
    words: Callable[[str], list[str]] = nouns,
) -> list[str]:
    """Return a unique name in title case for each cluster 0..clusters-1; larger clusters choose first.

    titles and labels run in parallel. A name is the most telling term of the cluster's titles, with the most telling
    one of the remaining titles when the first covers too few. Clusters in ``kept`` have their names already. ``words``
    of a title are what terms are made of.
    """
    singular = _singulars(titles)
    terms = [_terms([singular[word] for word in words(title)]) for title in titles]
    everywhere = Counter(term for title in terms for term in title)
    shown = _surfaces(titles, singular)
    members: list[list[frozenset[str]]] = [[] for _ in range(clusters)]
    for title, label in zip(terms, labels, strict=True):
        members[label].append(title)
    names = [(kept or {}).get(cluster, "") for cluster in range(clusters)]
    unnamed = [cluster for cluster in range(clusters) if not names[cluster]]
    for cluster in sorted(unnamed, key=lambda c: (-len(members[c]), c)):
        candidates = _candidates(members[cluster], everywhere, len(titles) / clusters)
        spelled = (" & ".join(" ".join(map(shown.__getitem__, term.split())) for term in name) for name in candidates)
        names[cluster] = next((name for name in spelled if name not in names), f"Group {cluster + 1}")
    return names


def _terms(words: Sequence[str]) -> frozenset[str]:
    spans = range(1, LONGEST_TERM + 1)
    return frozenset(" ".join(words[i : i + n]) for n in spans for i in range(len(words) - n + 1))


def _candidates(
    members: Sequence[frozenset[str]], everywhere: Mapping[str, int], average: float
) -> Iterator[tuple[str, ...]]:
    """Yield names, best first: one term if it covers the cluster, pairs with it, then further terms alone."""
    firsts = _ranked(members, everywhere, average)
    for first in firsts[:1]:
        rest = [terms for terms in members if first not in terms]
        seconds = [
            second for second in _ranked(rest, everywhere, average) if not set(second.split()) & set(first.split())
        ]
        if len(rest) <= (1 - SECOND_TERM_BELOW) * len(members):
            yield (first,)
        for second in seconds:
            yield _short(first), _short(second)
    for term in firsts:
        yield (term,)


def _short(term: str) -> str:
    return " ".join(term.split()[-2:])


def _ranked(members: Sequence[frozenset[str]], everywhere: Mapping[str, int], average: float) -> list[str]:
    """Rank single words by c-TF-IDF, then let each grow to the term it mostly stands in.

    c-TF-IDF: titles of the cluster with the term x log(1 + average cluster size / titles anywhere with the term).
    Source: Grootendorst, BERTopic, arXiv:2203.05794, section 3.3.
    """
    counts = Counter(term for terms in members for term in terms)
    scores = {term: count * log(1 + average / everywhere[term]) for term, count in counts.items() if " " not in term}
    ranked = sorted(scores, key=lambda term: (-scores[term], term))
    floor = max(2.0, GROWN_COVERS * len(members))
    return list(dict.fromkeys(_grown(term, counts, floor) for term in ranked[:20]))


def _grown(word: str, counts: Mapping[str, int], floor: float) -> str:
    longer = [t for t in counts if word in t.split() and counts[t] >= max(floor, GROWS_FROM * counts[word])]
    return max(longer, key=lambda term: (len(term.split()), counts[term], term), default=word)


def _singulars(titles: Iterable[str]) -> dict[str, str]:
    """Map every word to its singular, where the shop uses that as well."""
    words = {word for title in titles for word in title_words(title)}
    singular = {}
    for word in words:
        stems = (word[:-1] if word.endswith("s") else "", word[:-2] if word.endswith("es") else "")
        singular[word] = next((stem for stem in stems if stem in words), word)
    return singular


def _surfaces(titles: Iterable[str], singular: Mapping[str, str]) -> dict[str, str]:
    """Map every singular to the form that titles use most, capitalised."""
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    for title in titles:
        for word in title_words(title):
            forms[singular[word]][word] += 1
    return {word: min(seen, key=lambda form: (-seen[form], form)).capitalize() for word, seen in forms.items()}
