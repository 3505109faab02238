"""The rules of the house, as tests: layers, sizes, names, words."""
