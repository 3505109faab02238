"""The tests: one folder for each part of the house, and `support` for the fixtures of all.

A package, so that a child process of spawn or forkserver can import a test module by its name.
"""
