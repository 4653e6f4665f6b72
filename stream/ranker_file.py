"""The file of learned weights: what `train ranker` writes and workers read. JSON, small, named by its content."""

import math
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from graph.ranking.weights import (
    CROSS_SELL_FEATURES,
    UP_SELL_FEATURES,
    Weights,
    fixed_weights,
    weights_digest,
)
from graph.settings import GraphSettings
from stream.recommendations import CROSS_SELL, NEXT_CROSS_SELL, NEXT_UP_SELL, UP_SELL

FORMAT = 6
MAX_BYTES = 1 << 20
MAX_WEIGHT = 1000.0
FIXED, LEARNED = "fixed", "learned"

Figures = dict[str, float]


class RankerFileError(Exception):
    """The file cannot be used; the message names the field and the limit."""


class LearnedList(msgspec.Struct, frozen=True):
    """What was learned of one list.

    weights: by feature, those to rank with; chosen: ``learned`` or ``fixed``; reason: why; fitted: the best,
    on validation, of what the training period gave and of what lies between that and the fixed weights, chosen or not
    (None: nothing); cases: by period, those that were learned from or judged; validation,
    test: HR@10, NDCG@10 of ``fixed`` and ``learned`` on the same cases, and ``lead``: of NDCG@10, with its standard
    error by users (none where there is one user). With too few cases to learn from there is no validation, and test
    has ``fixed`` alone.
    """

    weights: dict[str, float]
    chosen: str
    reason: str
    fitted: dict[str, float] | None = None
    cases: dict[str, int] = {}
    validation: dict[str, Figures] = {}
    test: dict[str, Figures] = {}


class Period(msgspec.Struct, frozen=True):
    """A stretch of the log: first and last time (RFC 3339) and how many messages."""

    first: str
    last: str
    messages: int


class LearnedVisit(msgspec.Struct, frozen=True):
    """What was learned of the lists for the next visit. version: see :func:`version_of`."""

    version: str
    cross_sell: LearnedList
    up_sell: LearnedList


class RankerFile(msgspec.Struct, frozen=True):
    """The whole file. version: see :func:`version_of`; periods: warm-up, training, validation, test.

    next_visit: None where nothing was learned of it, because such lists are switched off.
    """

    format: Annotated[int, Meta(ge=1)]
    version: str
    cross_sell: LearnedList
    up_sell: LearnedList
    next_visit: LearnedVisit | None = None
    command: str = ""
    data: str = ""
    counts: dict[str, int] = {}
    periods: dict[str, Period] = {}
    seed: int = 0

    def lists(self) -> dict[str, LearnedList]:
        """Return what was learned of each list, by ``list_id``."""
        found = {CROSS_SELL: self.cross_sell, UP_SELL: self.up_sell}
        if (visit := self.next_visit) is not None:
            found |= {NEXT_CROSS_SELL: visit.cross_sell, NEXT_UP_SELL: visit.up_sell}
        return found

    @property
    def weights(self) -> Weights:
        """Return what to rank with."""
        visit = self.next_visit
        later = None if visit is None else Weights(*_ordered(visit), visit.version)
        return Weights(*_ordered(self), self.version, later)


_DECODER = msgspec.json.Decoder(RankerFile)


def version_of(file: RankerFile | LearnedVisit) -> str:
    """Return ``linear-`` or, where neither list's weights were learned, ``fixed-``, and a digest of the weights."""
    learned = LEARNED in (file.cross_sell.chosen, file.up_sell.chosen)
    return f"{'linear' if learned else 'fixed'}-{weights_digest(*_ordered(file))}"


def read_ranker(path: Path) -> RankerFile:
    """Read and check a file. Raises RankerFileError."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise RankerFileError(f"{path}: {size} bytes, at most {MAX_BYTES}: it is no file of `train ranker`")
        found = _DECODER.decode(path.read_bytes())
    except OSError as error:
        raise RankerFileError(f"{path}: cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RankerFileError(f"{path}: {error}") from None
    check(found, str(path))
    return found


def write_ranker(path: Path, file: RankerFile) -> None:
    """Write it as a whole: a worker that looks meanwhile reads the former file or this one. Raises OSError."""
    check(file, str(path))
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_bytes(msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n")
    scratch.replace(path)


def check(file: RankerFile, name: str) -> None:
    """Raise RankerFileError, naming the field, unless the weights can be ranked with and the version is theirs."""
    if file.format != FORMAT:
        raise RankerFileError(f"{name}: format {file.format}; this version reads format {FORMAT}: train again")
    _check(file, name, "")
    if file.next_visit is not None:
        _check(file.next_visit, name, "next_visit.")


def _check(file: RankerFile | LearnedVisit, name: str, within: str) -> None:
    for field, learned, features in (
        (f"{within}cross_sell", file.cross_sell, CROSS_SELL_FEATURES),
        (f"{within}up_sell", file.up_sell, UP_SELL_FEATURES),
    ):
        if learned.chosen not in (FIXED, LEARNED):
            raise RankerFileError(f"{name}: {field}.chosen is {learned.chosen!r}; wanted: {FIXED} or {LEARNED}")
        if set(learned.weights) != set(features):
            raise RankerFileError(
                f"{name}: {field}.weights has {', '.join(sorted(learned.weights)) or 'none'}; "
                f"wanted: {', '.join(features)}"
            )
        for feature, weight in learned.weights.items():
            if not (math.isfinite(weight) and 0 <= weight <= MAX_WEIGHT):
                raise RankerFileError(f"{name}: {field}.weights.{feature} is {weight}; wanted: 0 to {MAX_WEIGHT:g}")
        if not any(learned.weights.values()):
            raise RankerFileError(f"{name}: {field}.weights are all 0; one must be larger")
    if file.version != version_of(file):
        raise RankerFileError(
            f"{name}: {within}version is {file.version!r}, its weights' is {version_of(file)!r}: "
            "changed after it was written"
        )


def load_weights(settings: GraphSettings) -> Weights:
    """Return the weights of the file that ``graph.ranking.learned_file`` names, else the fixed ones.

    Raises RankerFileError.
    """
    path = settings.ranking.learned_file
    return fixed_weights(settings.lists, settings.ranking) if path is None else read_ranker(path).weights


def _ordered(file: RankerFile | LearnedVisit) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return (
        tuple(float(file.cross_sell.weights[feature]) for feature in CROSS_SELL_FEATURES),
        tuple(float(file.up_sell.weights[feature]) for feature in UP_SELL_FEATURES),
    )
