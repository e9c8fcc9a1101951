"""Performance as ratios against a named peer, both in one run, after a check that they give the same answer.

`python -m benchmarks` runs all of them and prints a table; each `python -m benchmarks.<name>` ends in one JSON line:
what, ours, peer, ratio, target, holds.
"""
