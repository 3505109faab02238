"""Programs out of a grammar, run for real, to judge the rules by."""
