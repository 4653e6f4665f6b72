"""The contracts with the outside as JSON Schema, made from the types that the workers use."""

import json
from enum import StrEnum
from typing import Any

import msgspec

from stream.catalogue import CatalogueRow
from stream.deadletter import HEADER_PREFIX, DeadLetter
from stream.popular import Popular
from stream.recommendations import Recommendation
from stream.signals import Signal
from stream.trackers import EXPLANATIONS, Stage
from stream.trackers.native import NativeEvent

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Contract(StrEnum):
    """What others build on."""

    INTERACTION = "interaction"
    RECOMMENDATION = "recommendation"
    POPULAR = "popular"
    SIGNAL = "signal"
    CATALOGUE = "catalogue"
    DEAD_LETTER = "dead-letter"


def build_schema(contract: Contract) -> dict[str, Any]:
    """Return one contract as JSON Schema 2020-12."""
    match contract:
        case Contract.INTERACTION:
            schema = _schema_of(NativeEvent, "Interaction, our own dialect: the value of a record, as JSON.")
            schema["anyOf"] = [_either("user_id"), _either("anonymous_id")]
        case Contract.RECOMMENDATION:
            schema = _schema_of(Recommendation, "A user's current lists: the value of a record whose key is the user.")
        case Contract.POPULAR:
            schema = _schema_of(Popular, "The popular items of one context: the value of a record on shop.popular.v1.")
        case Contract.SIGNAL:
            schema = _schema_of(Signal, "A warning or a piece of news: the value of a record on shop.signals.v1.")
        case Contract.CATALOGUE:
            schema = _schema_of(CatalogueRow, "An item: the value of a record whose key is the item_id.")
        case Contract.DEAD_LETTER:
            schema = _dead_letter()
    return {"$schema": _DIALECT, **schema}


def schema_file_name(contract: Contract) -> str:
    """Return the name of its file in docs/schemas."""
    return f"{contract.value}.schema.json"


def schema_text(contract: Contract) -> str:
    """Return the content of the contract's file."""
    return json.dumps(build_schema(contract), indent=2, ensure_ascii=False) + "\n"


def _schema_of(type_: type[msgspec.Struct], description: str) -> dict[str, Any]:
    (reference,), definitions = msgspec.json.schema_components([type_], ref_template="#/$defs/{name}")
    schema = dict(definitions.pop(reference["$ref"].rsplit("/", 1)[1]))
    schema["description"] = description
    if definitions:
        schema["$defs"] = definitions
    return schema


def _either(field: str) -> dict[str, Any]:
    return {"required": [field], "properties": {field: {"type": "string"}}}


def _dead_letter() -> dict[str, Any]:
    digits = {"type": "string", "pattern": "^[0-9]+$"}
    kinds: dict[str, dict[str, Any]] = {
        "topic": {"description": "Where the refused record was read."},
        "partition": digits,
        "offset": {**digits, "description": "Topic, partition and offset identify the record: a letter may repeat."},
        "stage": {"enum": [stage.value for stage in Stage]},
        "reason": {"enum": [reason.value for reason in EXPLANATIONS]},
        "field": {"description": "Path of the wrong field, such as products[2].price; empty for the whole message."},
        "message": {"description": "Kinds and limits, never the value."},
    }
    names = [f"{HEADER_PREFIX}{field}" for field in DeadLetter.__struct_fields__]
    return {
        "title": "DeadLetter",
        "description": "The headers of a dead letter, as UTF-8 text. Key, value and other headers are the message's.",
        "type": "object",
        "properties": {
            name: {"type": "string", **kinds[field]}
            for name, field in zip(names, DeadLetter.__struct_fields__, strict=True)
        },
        "required": names,
    }
