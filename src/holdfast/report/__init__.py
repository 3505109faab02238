"""Prints findings: text for people, JSON for programs, SARIF for code scanning, one HTML page.

One file per format, each with a `render`. Nothing here knows how a finding was made: a report that
was saved on one machine is printed on another, from the records alone.
"""
