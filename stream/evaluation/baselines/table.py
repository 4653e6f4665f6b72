"""The one table of baselines."""

from collections.abc import Callable
from dataclasses import dataclass

from stream.evaluation.baselines import ease, item_knn, own, popularity, session_knn, text, transitions
from stream.evaluation.interactions import Knowledge
from stream.evaluation.scoring import Scorer


@dataclass(frozen=True)
class Baseline:
    """source: the paper that its code follows. fit: None where the shop's data does not allow it."""

    name: str
    source: str
    fit: Callable[[Knowledge], Scorer | None]


BASELINES = (
    Baseline("popular", "Cremonesi, Koren & Turrin, RecSys 2010", popularity.fit_all_time),
    Baseline("popular of late", "Ji, Sun, Zhang & Li, SIGIR 2020", popularity.fit_recent),
    Baseline("own most frequent", "Li, Jullien, Ariannezhad & de Rijke, TOIS 2023", own.fit),
    Baseline("item-kNN", "Sarwar, Karypis, Konstan & Riedl, WWW 2001", item_knn.fit),
    Baseline("transitions", "Ludewig & Jannach, UMUAI 2018, sequential rules", transitions.fit),
    Baseline(
        "V-SKNN",
        "Ludewig & Jannach, UMUAI 2018, section 3.2.4",
        lambda knowledge: session_knn.fit(knowledge, session_knn.v_sknn()),
    ),
    Baseline(
        "STAN",
        "Garg, Gupta, Malhotra, Vig & Shroff, SIGIR 2019",
        lambda knowledge: session_knn.fit(knowledge, session_knn.stan()),
    ),
    Baseline("EASE", "Steck, WWW 2019", ease.fit),
    Baseline("text TF-IDF", "Salton & Buckley, Information Processing & Management 24(5), 1988", text.fit),
)
