"""Operations on the rows of sparse score matrices."""

import numpy as np
from scipy import sparse

from stream.evaluation.interactions import DoubleArray, FloatArray, IntArray


def prune_rows(matrix: sparse.csr_matrix, most: int) -> sparse.csr_matrix:
    """Keep the ``most`` largest values of each row, in float32."""
    matrix = matrix.tocsr()
    keep = np.ones(matrix.nnz, np.bool_)
    for row in np.flatnonzero(np.diff(matrix.indptr) > most):
        start, end = matrix.indptr[row], matrix.indptr[row + 1]
        keep[start + np.argpartition(-matrix.data[start:end], most)[most:]] = False
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))[keep]
    values = matrix.data[keep].astype(np.float32)
    return sparse.csr_matrix((values, (rows, matrix.indices[keep])), matrix.shape)


def scale(matrix: sparse.csr_matrix, rows: DoubleArray, columns: DoubleArray | None = None) -> sparse.csr_matrix:
    """Return the matrix with its rows, and its columns, multiplied."""
    scaled = sparse.diags(rows) @ matrix
    return (scaled if columns is None else scaled @ sparse.diags(columns)).tocsr()


def row_sums(matrix: sparse.csr_matrix) -> DoubleArray:
    """Return the rows' sums, float64."""
    return np.asarray(matrix.sum(axis=1), np.float64).ravel()


def column_sums(matrix: sparse.csr_matrix) -> DoubleArray:
    """Return the columns' sums, float64."""
    return np.asarray(matrix.sum(axis=0), np.float64).ravel()


def normalise_rows(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the matrix with rows that sum to 1; empty ones stay empty."""
    return scale(matrix, 1 / (row_sums(matrix) + 1e-9))


def without_diagonal(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the matrix with a diagonal of zeros."""
    entries = matrix.tocoo()
    apart = entries.row != entries.col
    return sparse.csr_matrix((entries.data[apart], (entries.row[apart], entries.col[apart])), matrix.shape)


def top_of_rows(scores: sparse.csr_matrix, most: int) -> tuple[IntArray, FloatArray]:
    """Return columns (B, most) and values of the largest positive values of each row, in any order; -1 and 0 pad."""
    columns = np.full((scores.shape[0], most), -1, np.int64)
    values = np.zeros((scores.shape[0], most), np.float32)
    for row in range(scores.shape[0]):
        data = scores.data[scores.indptr[row] : scores.indptr[row + 1]]
        best = np.argpartition(-data, most - 1)[:most] if len(data) > most else np.arange(len(data))
        best = best[data[best] > 0]
        columns[row, : len(best)] = scores.indices[scores.indptr[row] : scores.indptr[row + 1]][best]
        values[row, : len(best)] = data[best]
    return columns, values
