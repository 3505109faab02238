"""Which files are checked, in which order and by how many processes; what is remembered of them."""
