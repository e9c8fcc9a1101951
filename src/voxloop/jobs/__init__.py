"""The steps: one a file, paths in and paths out. Every runner calls these and re-implements none."""
