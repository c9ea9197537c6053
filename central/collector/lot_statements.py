"""Lots of line controllers: from a message to the list of lots, and to an answer.

The topic names plant and line, and the access list of the broker protects it. The rules are those
of the page and of the API (central/store/lots.py).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from central.access.audit import Actor, audited
from central.access.places import read_plants
from central.store.database import Database, is_temporary
from central.store.lot_messages import (
    KeptStatement,
    LotAnswer,
    LotOutcome,
    LotStatement,
    LotStatementError,
    digest_of,
    find_statement,
    keep_statement,
    parse_lot_statement,
)
from central.store.lots import LotEntry, LotError, begin_lot, end_lot_at
from central.store.message import BrokerMessage, parse_utc
from central.store.tables import stations
from edge.clock import utc_now
from edge.validation_messages import printable

_log = logging.getLogger(__name__)

_NAME = r"([^/+#]{1,64})"


@dataclass(frozen=True, slots=True)
class LotTopics:
    """The topics of line controllers. prefix: the beginning of all topics."""

    prefix: str

    @property
    def statements(self) -> str:
        """The filter of all statements."""
        return f"{self.prefix}/lines/+/+/lots"

    def of_line(self, plant: str, line: str) -> str:
        """Return the topic of the statements of one line: QoS 1, not retained."""
        return f"{self.prefix}/lines/{plant}/{line}/lots"

    def answers(self, plant: str, line: str) -> str:
        """Return the topic of the answers to one line: QoS 1, not retained."""
        return f"{self.prefix}/lines/{plant}/{line}/answers"

    def line_of(self, topic: str) -> tuple[str, str] | None:
        """Return plant and line of a topic of statements; None for another topic."""
        form = rf"{re.escape(self.prefix)}/lines/{_NAME}/{_NAME}/lots"
        found = re.fullmatch(form, topic)
        return None if found is None else (found[1], found[2])


class LotReceiver:
    """Stores statements about lots, each in one transaction with its audit entry, and answers.

    For one thread. Several collectors may receive repeats of one statement.
    """

    def __init__(
        self,
        database: Database,
        publish: Callable[[str, bytes], bool],
        *,
        topics: LotTopics,
        central: str,
    ) -> None:
        """publish: sends a message that is not retained; False while that is not possible."""
        self._database = database
        self._publish = publish
        self._topics = topics
        self._central = central

    def receive(self, message: BrokerMessage) -> LotAnswer:
        """Store a statement, publish its answer and return it. Blocks.

        An answer that cannot be sent now is lost: the controller repeats its statement. Raises
        DBAPIError and StoreError where the same may succeed later; nothing is stored then.
        """
        line = self._topics.line_of(message.topic)
        assert line is not None
        place = "/".join(line)
        message_id = ""
        try:
            statement = parse_lot_statement(message.payload)
            message_id = statement.message_id
            outcome, reason, number = self._store(line, statement, message.received_us)
        except LotStatementError as error:
            message_id = error.message_id
            outcome, reason, number = "refused", str(error), None
        if outcome == "refused":
            _log.warning(
                "lot_refused line=%s id=%s reason=%s", printable(place), message_id, reason
            )
        answer = LotAnswer(
            message_id=message_id,
            outcome=outcome,
            reason=reason,
            lot_number=number,
            utc=utc_now(),
            central=self._central,
        )
        self._publish(self._topics.answers(*line), answer.model_dump_json().encode())
        return answer

    def _store(
        self, line: tuple[str, str], statement: LotStatement, now_us: int
    ) -> tuple[LotOutcome, str, int | None]:
        try:
            return self._decide(line, statement, now_us)
        except DBAPIError as error:
            if is_temporary(error):
                raise
        # Another collector has stored the same id meanwhile, or the database refuses a value.
        try:
            return self._decide(line, statement, now_us)
        except DBAPIError as error:
            if is_temporary(error):
                raise
            return "refused", "the database cannot store a value of the statement", None

    def _decide(
        self, line: tuple[str, str], statement: LotStatement, now_us: int
    ) -> tuple[LotOutcome, str, int | None]:
        place, digest = "/".join(line), digest_of(statement)
        with self._database.read() as connection:
            known = find_statement(connection, place, statement.message_id)
        if known is not None:
            if known.digest != digest:
                return "refused", "another statement has this message_id already", None
            if known.outcome == "stored":
                return "repeated", "", known.lot_id
        try:
            with audited(self._database, Actor(place, "mqtt"), now_us) as change:
                number = _apply(change.connection, line, statement, now_us)
                kept = _kept(place, statement, digest, number, "", now_us)
                # A repeat of a refused one may be right by now: the station was assigned meanwhile.
                keep_statement(change.connection, kept)
                change.record(f"lot.{statement.action}", statement.lot)
                return "stored", "", number
        except LotError as error:
            with self._database.write() as connection:
                kept = _kept(place, statement, digest, None, str(error), now_us)
                keep_statement(connection, kept)
            return "refused", str(error), None


def _apply(
    connection: Connection, line: tuple[str, str], statement: LotStatement, now_us: int
) -> int:
    """Begin or end the lot, and return the number of its entry. Raises LotError."""
    names = _stations(connection, line, statement)
    at_us = parse_utc(statement.at)
    assert at_us is not None
    if statement.action == "end":
        return end_lot_at(connection, statement.lot, names, at_us)[-1]
    entry = LotEntry(
        statement.lot,
        names,
        at_us,
        None if statement.until is None else parse_utc(statement.until),
        statement.order,
        statement.product,
        statement.note,
    )
    return begin_lot(connection, entry, "/".join(line), now_us)


def _stations(
    connection: Connection, line: tuple[str, str], statement: LotStatement
) -> tuple[str, ...]:
    """Return the stations that a statement means. Raises LotError."""
    plant, name = line
    found = [
        each
        for one in read_plants(connection)
        for each in one.lines
        if (each.plant, each.name) == (plant, name)
    ]
    if not found:
        raise LotError(f"there is no line '{name}' of a plant '{plant}'")
    own = found[0].stations
    if not own:
        raise LotError("this line has no stations")
    if strange := sorted(set(statement.stations) - set(own)):
        raise LotError(f"'{printable(strange[0])[:63]}' is no station of this line")
    if statement.stations:
        return tuple(dict.fromkeys(statement.stations))
    known = set(
        connection.execute(select(stations.c.name).where(stations.c.name.in_(own))).scalars()
    )
    if not known:
        raise LotError("no station of this line has sent anything yet")
    return tuple(each for each in own if each in known)


def _kept(
    place: str,
    statement: LotStatement,
    digest: str,
    number: int | None,
    reason: str,
    now_us: int,
) -> KeptStatement:
    return KeptStatement(
        place,
        statement.message_id,
        statement.action,
        statement.lot,
        digest,
        "refused" if reason else "stored",
        reason,
        number,
        now_us,
    )
