"""Item texts to vectors by a transformers model from a local folder. Nothing is ever fetched."""

import logging
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError

from encoders.base import EncoderError, FloatArray
from encoders.batching import padded_length, plan_batches
from encoders.device import CPU, Device
from encoders.int8 import quantise
from encoders.model_folder import open_model_folder

logger = logging.getLogger(__name__)

CPU_BATCH_TOKENS = 2048
"""Measured: on a CPU larger batches leave the cache and are up to a third slower."""

GPU_BATCH_TOKENS = 8192

WINDOW_TEXTS = 4096
"""Texts that are tokenised and sorted by length together; bounds the memory of a whole catalogue."""

UNKNOWN_SHARE_LIMIT = 0.2
"""A text model that knows less than four in five tokens was made for another language."""

ALARMING_TOKENS = 100
"""A few odd titles are no catalogue."""

REMEMBERED_TOKENS = 4000
"""After so many further tokens, earlier ones count half."""


class TransformersTextEncoder:
    """Mean pooling over the last layer, then unit length: what sentence models of this family were tuned for.

    Source: Reimers & Gurevych, Sentence-BERT, EMNLP 2019, section 3. Belongs to one thread at a time.
    """

    def __init__(
        self,
        folder: Path | None = None,
        device: Device = CPU,
        batch_tokens: int | None = None,
        prefix: str = "",
        int8: bool = False,
    ) -> None:
        """Load a model folder (the installed model package's when None).

        batch_tokens: per forward pass; 2048 on a CPU and 8192 on a GPU when None. prefix: put before each text, as
        some models want ("query: "). int8: linear layers in 8-bit integers. Raises EncoderError.
        """
        vetted = open_model_folder(folder)
        # Read by huggingface_hub at its first import; from_pretrained below gets no other than a local path anyway.
        os.environ["HF_HUB_OFFLINE"] = "1"
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        # At its import it gives itself a handler of its own: its lines would bypass whatever logging the process has.
        transformers_logging.disable_default_handler()
        transformers_logging.enable_propagation()
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(
                vetted.path, local_files_only=True, trust_remote_code=False, use_fast=True
            )
            model, report = AutoModel.from_pretrained(
                vetted.path,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                attn_implementation="sdpa",
                dtype=device.dtype,
                output_loading_info=True,
            )
        except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
            raise EncoderError(f"{vetted.path} cannot be loaded as a text model: {error}") from error
        # transformers fills what is missing with random numbers. Mean pooling has no use for the pooler.
        if missing := sorted(key for key in report["missing_keys"] if not key.startswith("pooler.")):
            raise EncoderError(f"{vetted.path}: the weights lack {missing[0]} and {len(missing) - 1} more tensors")
        if int8:
            quantise(model)
        self._model = model.to(device.torch_device).eval()
        self._device = device
        on_cpu = device.torch_device.type == "cpu"
        self._batch_tokens = batch_tokens or (CPU_BATCH_TOKENS if on_cpu else GPU_BATCH_TOKENS)
        self._prefix = prefix
        self._max_tokens = vetted.max_tokens
        revision = sha256(f"{vetted.revision} {prefix}".encode()).hexdigest() if prefix else vetted.revision
        self._unknown_id = self._tokenizer.unk_token_id
        self._padding_id = self._tokenizer.pad_token_id
        self._special_tokens = self._tokenizer.num_special_tokens_to_add()
        self._name = f"{vetted.name}/{revision[:8]}"
        self._tokens = self._unknown = 0.0
        self._is_alarmed = False

    @property
    def model(self) -> str:
        """Name and the first 8 hex digits of the weights' SHA-256 (of weights and prefix when there is one)."""
        return self._name

    @property
    def dimensions(self) -> int:
        """The model's hidden size."""
        return int(self._model.config.hidden_size)

    @property
    def unknown_share(self) -> float:
        """Share (0-1) of the latest tokens, some thousands, that the model's vocabulary does not know."""
        return self._unknown / self._tokens if self._tokens else 0.0

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return (len(texts), D) float32, each row of unit length. Longer texts than the model takes are cut.

        Logs an error, once, when more than a fifth of the latest tokens are unknown.
        """
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        for start in range(0, len(texts), WINDOW_TEXTS):
            tokens = self._tokenize(texts[start : start + WINDOW_TEXTS])
            for batch in plan_batches([len(ids) for ids in tokens], self._batch_tokens):
                vectors[[start + position for position in batch]] = self._forward([tokens[p] for p in batch])
            self._mind_unknown(tokens)
        return vectors

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        prefixed = [self._prefix + text for text in texts]
        ids: list[list[int]] = self._tokenizer(prefixed, truncation=True, max_length=self._max_tokens).input_ids
        return ids

    @torch.inference_mode()
    def _forward(self, tokens: list[list[int]]) -> FloatArray:
        ids = np.full((len(tokens), padded_length(max(map(len, tokens)))), self._padding_id, np.int64)
        mask = np.zeros(ids.shape, np.int64)
        for row, text in enumerate(tokens):
            ids[row, : len(text)] = text
            mask[row, : len(text)] = 1
        attention = torch.from_numpy(mask).to(self._device.torch_device)
        output = self._model(input_ids=torch.from_numpy(ids).to(self._device.torch_device), attention_mask=attention)
        states = output.last_hidden_state.float() * attention[:, :, None]
        return torch.nn.functional.normalize(states.sum(dim=1), dim=1).cpu().numpy()

    def _mind_unknown(self, tokens: list[list[int]]) -> None:
        count = sum(len(ids) - self._special_tokens for ids in tokens)
        kept = 0.5 ** (count / REMEMBERED_TOKENS)
        self._tokens = kept * self._tokens + count
        self._unknown = kept * self._unknown + sum(ids.count(self._unknown_id) for ids in tokens)
        if self._is_alarmed or self._tokens < ALARMING_TOKENS or self.unknown_share <= UNKNOWN_SHARE_LIMIT:
            return
        self._is_alarmed = True
        logger.error(
            "%s does not know %.0f %% of the tokens of the catalogue's latest texts: their vectors mean little. Set "
            "encoder.text_model_dir to a model of the shop's language: multilingual-e5-small, with "
            "encoder.text_prefix='query: ', knows about a hundred; then fit a projection to it with "
            "`interestream train projection`",
            self.model, 100 * self.unknown_share,
        )  # fmt: skip
