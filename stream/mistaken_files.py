"""A file of events that is read as a catalogue, or the other way round: refused before any of it is sent."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from stream.catalogue import is_row
from stream.event_files import EventFileError, NumberedMessage
from stream.trackers import event_fields


def refuse_events(path: Path, rows: Iterable[NumberedMessage]) -> Iterator[NumberedMessage]:
    """Yield the catalogue rows up to the first that is an event. Raises EventFileError there."""
    for row in rows:
        if fields := event_fields(row.value):
            raise EventFileError(
                f"{path}: line {row.line}: {fields[0]}: together with {fields[1]} this is an event, not a catalogue "
                "row; leave out --catalogue"
            )
        yield row


def refuse_rows(path: Path, events: Iterable[NumberedMessage]) -> Iterator[NumberedMessage]:
    """Yield the events, unless the first is a catalogue row: then the file is a catalogue. Raises EventFileError."""
    for count, event in enumerate(events):
        if not count and is_row(event.value):
            raise EventFileError(
                f"{path}: line {event.line}: an item with a title, but no event_id, kind or occurred_at: this is a "
                "catalogue row, not an event; say --catalogue"
            )
        yield event
