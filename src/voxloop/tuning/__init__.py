"""Search: which values of a family's configuration are best on dev."""
