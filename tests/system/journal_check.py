"""Runs inside an emulated unit: prints the last sequence number of the journal, or what is wrong.

It runs without Outfeed, so that the judgement does not depend on the system under test.
"""

import json
import sqlite3

JOURNAL = "file:/var/lib/outfeed/journal.sqlite?mode=ro"


def main() -> None:
    rows = sqlite3.connect(JOURNAL, uri=True).execute(
        "SELECT sequence, body FROM events ORDER BY 1"
    )
    last = None
    for sequence, body in rows:
        if last is not None and sequence != last + 1:
            print(f"hole: {last + 1} to {sequence - 1}")
            return
        if json.loads(body)["type"] == "outfeed.gap/1":
            print(f"gap event {sequence}: {json.loads(body)['reason']}")
            return
        last = sequence
    print(f"last {last or 0}")


main()
