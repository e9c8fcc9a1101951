"""Corpora in, datasets out: readers, manifest, shards, splits."""
