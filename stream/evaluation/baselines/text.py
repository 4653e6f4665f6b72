"""Items whose words are like those of the history."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from graph.ranking.title_words import title_words
from stream.evaluation.cases import Cases
from stream.evaluation.interactions import Catalogue, FloatArray, Knowledge


@dataclass(frozen=True)
class TextSimilarity:
    """vectors: (n, words) of unit length. A step's item weighs decay^age."""

    vectors: sparse.csr_matrix
    decay: float

    def score(self, cases: Cases) -> FloatArray:
        """Return (B, n) float32."""
        weights = np.where(cases.latest, cases.decayed(self.decay, 20), 0.0)
        profiles = cases.history_matrix(self.vectors.shape[0], weights) @ self.vectors
        scores: FloatArray = (profiles @ self.vectors.T).toarray().astype(np.float32)
        return scores


def fit(knowledge: Knowledge, decay: float = 0.7) -> TextSimilarity | None:
    """Cosine of TF-IDF vectors of title, brand and category (Salton & Buckley, IP&M 24(5), 1988); None without text."""
    if not knowledge.catalogue.has_text:
        return None
    return TextSimilarity(tfidf_vectors(knowledge.catalogue), decay)


def tfidf_vectors(catalogue: Catalogue) -> sparse.csr_matrix:
    """Return (n, words) float32 of unit length: words of the title, the brand as a whole, every category label."""
    documents = [
        [*title_words(title), *([f"brand={brand.casefold()}"] if code >= 0 else []), *(f"category={c}" for c in path)]
        for title, brand, code, path in zip(
            catalogue.titles, catalogue.brands, catalogue.brand_codes.tolist(), catalogue.categories, strict=True
        )
    ]
    vectorizer = TfidfVectorizer(analyzer=_as_it_is, sublinear_tf=True, dtype=np.float32)
    return vectorizer.fit_transform(documents)


def _as_it_is(words: list[str]) -> list[str]:
    return words
