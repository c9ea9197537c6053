"""Reception of station events: repeats are dropped, gaps and copies of a station are reported.

A central system in Python installs the package ``outfeed`` and imports ``Subscriber`` from
``edge.receiver``. It receives over MQTT. ``Receiver`` is for systems that have their own MQTT
client.
"""

from edge.receiver.receiver import ReceivedEvent, Receiver
from edge.receiver.statement import DueStatements, committed_statement
from edge.receiver.stream import Conflict, JournalCoverage, RunCoverage
from edge.receiver.subscriber import Subscriber

__all__ = [
    "Conflict",
    "DueStatements",
    "JournalCoverage",
    "ReceivedEvent",
    "Receiver",
    "RunCoverage",
    "Subscriber",
    "committed_statement",
]
