"""The statistics of pages and alarms: bounds of rates, charts, CUSUM and Pareto.

Every function is pure. Nothing here knows a database, a clock or a station.
"""
