"""The machine that follows a program on paper: see `holdfast.lint`."""
