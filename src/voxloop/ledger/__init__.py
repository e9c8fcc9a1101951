"""The append-only book: what was judged, looked at and decided, each entry sealed and chained to the one before it."""
