"""What stands behind tests/conftest.py: the watchdog and the search for leftovers."""
