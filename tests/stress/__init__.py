"""The kill campaign: processes that do everything at random, and are killed at every step of it."""
