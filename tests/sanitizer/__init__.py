"""What `holdfast run` sees, and what it leaves as it was."""
