"""The lists themselves, so that anyone can compute any metric again."""

from pathlib import Path

import msgspec

from stream.evaluation.cases import Cases
from stream.evaluation.interactions import Catalogue, IntArray


def write_lists(path: Path, lists: IntArray, cases: Cases, catalogue: Catalogue, users: tuple[str, ...]) -> None:
    """Write one JSON object per line: ``case, user, history, target, ranked``.

    history: item ids, oldest first. target: item ids, each once. ranked: item ids, best first. user: null where a case
    is of nobody. Raises OSError.
    """
    encoder = msgspec.json.Encoder()
    names = catalogue.item_ids
    with path.open("wb") as file:
        for case in range(len(cases)):
            user = int(cases.users[case])
            row = {
                "case": case,
                "user": users[user] if user >= 0 else None,
                "history": _names(cases.items[cases.offsets[case] : cases.offsets[case + 1]], names),
                "target": _names(cases.targets[cases.target_offsets[case] : cases.target_offsets[case + 1]], names),
                "ranked": _names(lists[case][lists[case] >= 0], names),
            }
            file.write(encoder.encode(row) + b"\n")


def _names(codes: IntArray, names: tuple[str, ...]) -> list[str]:
    return [names[code] for code in codes.tolist()]
