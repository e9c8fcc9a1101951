"""Training a task's network and exporting it."""
