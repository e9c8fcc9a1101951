"""Trainings side by side: what each reached on dev, what they differ in, and what of it may not be compared."""
