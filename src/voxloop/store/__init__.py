"""Digests, atomic writes and the job store: what makes a result worth trusting."""
