"""Warnings against what happened next: precision and recall, beside what recency alone gives.

    python -m tests.bench.backtest_signals --events events.csv.gz --items items.csv.gz

At a cut every 30 days, from the 210th day on to the last that leaves a whole horizon, everybody with a purchase is
looked at as the product would: who is warned of, and who did not come within the horizon. Recency alone warns of as
many, those silent for longest. Areas are under the ROC curve, over everybody. Churn is of users; a lost interest is of
a category that the user bought in on two days or more, by users who are not warned of themselves. Categories are
derived from the titles (hashed words, 60 clusters, one seed). The default parameters were fitted on purchases before
day 240 (the outcome at day 180); later cuts are out of sample. Prints a table, and a JSON object last.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from scipy.stats import rankdata

from encoders.categories import DerivedCategories
from encoders.hashing import HashingTextEncoder
from encoders.items import item_text
from encoders.training.categories import train_categories
from graph.lapses import DAY_MS, silence, visits
from graph.settings import SignalSettings
from stream.event_files import read_catalogue, read_messages

_FIRST_CUT_DAYS = 210
_STEP_DAYS = 30


class _Event(msgspec.Struct):
    user_id: str
    item_id: str
    kind: str
    occurred_at: int


class _Item(msgspec.Struct):
    item_id: str
    title: str = ""


Case = tuple[float, float, bool]
"""Silence by the product, days of silence, whether nothing came."""


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=Path, required=True)
    parser.add_argument("--items", type=Path, required=True)
    arguments = parser.parse_args()
    decode = msgspec.json.Decoder(_Event).decode
    events = [event for _, value in read_messages(arguments.events) if (event := decode(value)).kind == "purchase"]
    category_of = _categories(arguments.items)
    users: defaultdict[str, list[int]] = defaultdict(list)
    interests: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events:
        users[event.user_id].append(event.occurred_at)
        interests[event.user_id, category_of[event.item_id]].append(event.occurred_at)
    settings, ends = SignalSettings(), max(event.occurred_at for event in events)
    horizon, start = round(settings.horizon_seconds * 1000), min(event.occurred_at for event in events)
    cuts = range(start + _FIRST_CUT_DAYS * DAY_MS, ends - horizon + 1, _STEP_DAYS * DAY_MS)
    seen = {user: visits(times) for user, times in users.items()}
    seen_in = {pair: visits(times) for pair, times in interests.items()}
    churn, lost = [], []
    for cut in cuts:
        now = {user: case for user, times in seen.items() if (case := _case(times, cut, horizon, settings, 1))}
        churn.append(list(now.values()))
        lost.append(
            [
                case
                for (user, _), times in seen_in.items()
                if user in now
                and now[user][0] < settings.threshold
                and (case := _case(times, cut, horizon, settings, settings.min_category_visits))
                and case[1] > now[user][1]
            ]
        )
    report = {"churn": _judge(churn, settings.threshold), "interest_loss": _judge(lost, settings.threshold)}
    for kind, figures in report.items():
        print(kind)  # noqa: T201
        for name, figure in figures.items():
            print(f"  {name:<22}{figure:>12.4f}")  # noqa: T201
    print(json.dumps({"cuts": len(cuts), "users": len(seen), **report}))  # noqa: T201


def _categories(path: Path) -> dict[str, str]:
    decode = msgspec.json.Decoder(_Item).decode
    items = [decode(value) for _, value in read_catalogue(path)]
    encoder = HashingTextEncoder()
    texts = [item_text(item.title, None, None) for item in items]
    made = train_categories([item.title for item in items], texts, encoder.encode, 60, 0)
    derived = DerivedCategories(encoder.model, made.names, made.centroids)
    return dict(zip([item.item_id for item in items], derived.assign(encoder.encode(texts)), strict=True))


def _case(times: Sequence[int], cut: int, horizon: int, settings: SignalSettings, least: int) -> Case | None:
    before = [at for at in times if at < cut]
    if len(before) < least:
        return None
    came = any(cut <= at < cut + horizon for at in times)
    return silence(before, cut, settings), (cut - before[-1]) / DAY_MS, not came


def _judge(cuts: Sequence[Sequence[Case]], threshold: float) -> dict[str, float]:
    cases = warned = right = by_recency = gone = 0
    areas, recency_areas = [], []
    for found in cuts:
        silences, ages, gones = (np.array(column) for column in zip(*found, strict=True))
        said = silences >= threshold
        cases, warned, gone = cases + len(found), warned + int(said.sum()), gone + int(gones.sum())
        right += int(gones[said].sum())
        by_recency += int(gones[np.argsort(-ages, kind="stable")[: int(said.sum())]].sum())
        areas.append(_area(silences, gones))
        recency_areas.append(_area(ages, gones))
    return {
        "cases": cases,
        "gone": gone / cases,
        "warned": warned,
        "precision": right / warned,
        "recall": right / gone,
        "precision, recency": by_recency / warned,
        "recall, recency": by_recency / gone,
        "area": float(np.mean(areas)),
        "area, recency": float(np.mean(recency_areas)),
    }


def _area(scores: np.ndarray, gone: np.ndarray) -> float:
    ranks, positives = rankdata(scores), int(gone.sum())
    return float((ranks[gone].sum() - positives * (positives + 1) / 2) / (positives * max(1, len(gone) - positives)))


if __name__ == "__main__":
    main()
