"""The tables of bundles, of rollouts to stations, and of what stations report about updates of
bundles and systems.

Times are microseconds since 1970 UTC. ``*_by`` is the account of a person.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from central.store.columns import identity, number, optional_time, words
from central.store.tables import metadata

# The uploaded bundles. removed_us: the file was removed; rollouts still name the row.
bundles = Table(
    "bundles",
    metadata,
    identity(),
    # SHA-256 of the file, which names it in the folder.
    Column("sha256", Text, nullable=False),
    # The id in events: name, version and 12 digits of the digest of the content.
    words("bundle_id"),
    words("name"),
    words("version"),
    number("size_bytes"),
    # Id of the key that signed.
    words("signer"),
    # JSON list: the types of stations that it is for.
    words("compatible"),
    words("uploaded_by"),
    number("uploaded_us"),
    optional_time("removed_us"),
    UniqueConstraint("sha256", name="uq_bundles_sha256"),
    Index("ix_bundles_name_uploaded_us", "name", "uploaded_us"),
)

# The rollout of a bundle to stations, cohort by cohort.
rollouts = Table(
    "rollouts",
    metadata,
    identity(),
    # Row of bundles; null: the stations stay with the bundle that they have accepted.
    Column("bundle", BigInteger, nullable=True),
    words("title"),
    # planned: waits for the signatures; signed; running; paused; done; ended
    words("state"),
    # The reason for paused and ended.
    words("reason"),
    # The number of released cohorts, and of all.
    number("released", default=0),
    number("cohorts", default=1),
    # Hours after which a station without a result no longer holds its cohort back; 0: never.
    number("aside_hours", default=0),
    # JSON: the terms of the desired states, as in the plan.
    words("terms"),
    words("made_by"),
    number("made_us"),
    # Ids of the keys, separated by spaces.
    words("keys"),
    words("signed_by"),
    optional_time("signed_us"),
    optional_time("started_us"),
    optional_time("ended_us"),
    Index("ix_rollouts_state", "state"),
)

# A station of a rollout, with its signed desired state.
rollout_stations = Table(
    "rollout_stations",
    metadata,
    number("rollout_id"),
    number("station_id"),
    # From 0.
    number("cohort"),
    # waiting: its cohort is not released; released: nothing was reported yet; then the state that
    # the station reported last. pinned, expired, replaced: it is not, or no longer, part of it.
    words("state"),
    words("reason"),
    # The bundle that decides about parts, as the station reported it last.
    words("running"),
    # The message for the station, its id, revision and expiry. Empty and 0 until it is signed.
    words("message"),
    words("desired_id"),
    number("revision", default=0),
    number("expires_us", default=0),
    optional_time("released_us"),
    # The message is no longer published.
    optional_time("withdrawn_us"),
    optional_time("reported_us"),
    # 1: the cohort does not wait for it any more.
    number("is_aside", default=0),
    PrimaryKeyConstraint("rollout_id", "station_id", name="pk_rollout_stations"),
    Index("ix_rollout_stations_station_id", "station_id"),
)

# The changes of state that stations report, also about desired states of other origin.
update_reports = Table(
    "update_reports",
    metadata,
    number("received_us"),
    number("station_id"),
    number("journal_id"),
    words("run"),
    number("sequence"),
    # The time of the station where it is plausible, otherwise received_us.
    number("at_us"),
    Column("update_id", Text, nullable=False),
    words("desired_id"),
    Column("revision", BigInteger, nullable=True),
    words("name"),
    words("version"),
    words("sha256"),
    words("state"),
    words("reason"),
    words("running"),
    # JSON of the figures of a trial; empty where there are none.
    words("figures"),
    number("more"),
    UniqueConstraint("station_id", "update_id", name="uq_update_reports_station_id_update_id"),
    Index("ix_update_reports_station_id_received_us", "station_id", "received_us"),
    Index("ix_update_reports_desired_id", "desired_id"),
)

# The changes of state of updates of the system.
system_reports = Table(
    "system_reports",
    metadata,
    number("received_us"),
    number("station_id"),
    number("journal_id"),
    words("run"),
    number("sequence"),
    number("at_us"),
    Column("change_id", Text, nullable=False),
    words("update_id"),
    words("state"),
    words("version"),
    words("slot"),
    words("reason"),
    # The system that reported the change.
    words("running"),
    words("running_slot"),
    UniqueConstraint("station_id", "change_id", name="uq_system_reports_station_id_change_id"),
    Index("ix_system_reports_station_id_received_us", "station_id", "received_us"),
)

# Stations that rollouts leave out.
bundle_pins = Table(
    "bundle_pins",
    metadata,
    Column("station_id", BigInteger, primary_key=True, autoincrement=False),
    words("reason"),
    words("made_by"),
    number("made_us"),
)
