"""Tests of what findings look like, in each format."""
