"""The errors: what they are, what they say, and that they survive pickling."""
