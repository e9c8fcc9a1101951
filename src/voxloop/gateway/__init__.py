"""The thin HTTP front of Triton: keys, limits, decoding, routes."""
