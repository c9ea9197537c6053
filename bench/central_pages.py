"""Time of the pages of the central system on a database with many parts.

    python -m bench.central_pages --out build/pages --parts 1000000

fills a SQLite database in the folder, serves the pages on a free port and asks for each of them. A
folder that has the database already is used as it is. It prints the median and the largest time.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench.central_plant import fill_plant, furnish
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
_STATIONS = 4
_PER_MINUTE = 30.0
_ROUNDS = 20


def main() -> None:
    """Measure all pages and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/pages"))
    parser.add_argument("--parts", type=int, default=1_000_000)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "central.db"
    is_new = not path.exists()
    database = Database(DatabaseConfig(path=path))
    migrate(database)
    if is_new:
        names = tuple(f"press-{number}" for number in range(1, _STATIONS + 1))
        hours = options.parts / _STATIONS / _PER_MINUTE / 60
        now_us = time.time_ns() // 1000
        fill_plant(database, now_us, names=names, hours=hours, per_minute=_PER_MINUTE)
        furnish(database, now_us)
    server = WebServer(make_app(database), host="127.0.0.1", port=0)
    server.start()
    try:
        address = urlsplit(server.address)
        print("| page | median | largest |\n|---|---|---|")
        for page in PAGES:
            times = [_ask(str(address.hostname), address.port, page) for _ in range(_ROUNDS)]
            middle, largest = statistics.median(times), max(times)
            print(f"| `{page}` | {1000 * middle:.0f} ms | {1000 * largest:.0f} ms |", flush=True)
    finally:
        server.close()
        database.close()


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
