"""The page of a station for the people at the line (`outfeed page`).

It reads the journal, the picture store and small files of the station. Nothing waits for it
(docs/decisions/0076-station-page.md).
"""
