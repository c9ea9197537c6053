"""Time of the pages of the central system on a database with many parts.

    python -m bench.central_pages --out build/pages --parts 10000000 --stations 20

fills a SQLite database in the folder, serves the pages on a free port and asks for each of them. A
folder that has the database already is used as it is. With ``--database postgresql`` a server of
its own is started, filled and removed. It prints the median, the 95 % quantile and the largest
time of each page.
"""

from __future__ import annotations

import argparse
import http.client
import math
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import text

from bench.central_plant import fill_plant, furnish
from bench.postgresql import PostgresqlServer, missing_postgresql
from central.config.sections import DatabaseConfig
from central.store.database import Database
from central.store.schema import migrate
from central.web.app import make_app
from central.web.server import WebServer

PAGES = (
    "/",
    "/stations/press-1",
    "/stations/press-1?hours=720",
    "/parts",
    "/parts?station=press-1&decision=PASS&decision=REJECT",
    "/parts?kind=crack",
    "/stations/press-1/parts/77",
    "/review",
    "/pareto?hours=720",
    "/lots?lot=4711",
    "/fleet",
    "/alarms",
    "/metrics",
)
_ROUNDS = 40


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all pages and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.central_pages", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/pages"))
    parser.add_argument("--parts", type=int, default=1_000_000, help="parts of all stations")
    parser.add_argument("--stations", type=int, default=4)
    parser.add_argument("--per-minute", type=float, default=30.0, help="parts of one station")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="requests for each page")
    options = parser.parse_args(arguments)
    if options.database == "postgresql" and (reason := missing_postgresql()):
        parser.error(f"--database postgresql: {reason}")
    for name in ("parts", "stations", "per_minute", "rounds"):
        if getattr(options, name) <= 0:
            parser.error(f"--{name.replace('_', '-')}: expected a number above 0")
    with _database(options.database, options.out) as config:
        database = Database(config)
        try:
            _fill(database, options.parts, options.stations, options.per_minute)
            _measure(database, options.rounds)
        finally:
            database.close()


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[DatabaseConfig]:
    if kind == "sqlite":
        folder.mkdir(parents=True, exist_ok=True)
        yield DatabaseConfig(path=folder / "central.db")
        return
    server = PostgresqlServer(fsync=True)
    try:
        server.start()
        yield server.database()
    finally:
        server.close()


def _fill(database: Database, count: int, stations: int, per_minute: float) -> None:
    """Fill the database, unless it has stations already."""
    migrate(database)
    with database.read() as connection:
        if connection.execute(text("SELECT 1 FROM stations LIMIT 1")).first():
            return
    started_s = time.perf_counter()
    names = tuple(f"press-{number}" for number in range(1, stations + 1))
    now_us = time.time_ns() // 1000
    hours = count / stations / per_minute / 60
    stored = fill_plant(database, now_us, names=names, hours=hours, per_minute=per_minute)
    furnish(database, now_us)
    with database.write() as connection:
        connection.execute(text("ANALYZE"))
    passed_s = time.perf_counter() - started_s
    print(f"{stored:,} parts of {stations} stations in {passed_s:.0f} s", flush=True)


def _measure(database: Database, rounds: int) -> None:
    server = WebServer(make_app(database), host="127.0.0.1", port=0)
    server.start()
    try:
        address = urlsplit(server.address)
        print(f"load {os.getloadavg()[0]:.1f}")
        print("| page | median | 95 % | largest |\n|---|---|---|---|")
        for page in PAGES:
            asked = [_ask(str(address.hostname), address.port, page) for _ in range(rounds)]
            times = sorted(1000 * each for each in asked)
            p95 = times[math.ceil(0.95 * len(times)) - 1]
            row = f"{statistics.median(times):.0f} ms | {p95:.0f} ms | {times[-1]:.0f} ms"
            print(f"| `{page}` | {row} |", flush=True)
    finally:
        server.close()


def _ask(host: str, port: int | None, page: str) -> float:
    connection = http.client.HTTPConnection(host, port, timeout=60)
    started_s = time.perf_counter()
    connection.request("GET", page)
    answer = connection.getresponse()
    answer.read()
    passed_s = time.perf_counter() - started_s
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"{page}: status {answer.status}")
    return passed_s


if __name__ == "__main__":
    main()
