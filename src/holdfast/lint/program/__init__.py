"""What the text of a program says by itself, before anything of it is followed."""
