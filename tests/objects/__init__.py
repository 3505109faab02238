"""The objects as a program meets them: values, arrays, locks, structures, NumPy, sending."""
