"""How often a key may ask: a bucket of tokens for each, filled at a steady rate (RFC 2697's, without a colour)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class _Bucket:
    tokens: float
    at: float


class RateLimiter:
    """Counts what each key asks.

    Args:
        per_second: Requests in the long run.
        burst: Requests at once.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second, self._burst = per_second, float(burst)
        self._buckets: dict[str, _Bucket] = {}

    def take(self, key_id: str, at: float) -> float:
        """Count a request, and return 0; or do not, and return the seconds until one may be asked again.

        Args:
            key_id: Who asks.
            at: Seconds on a clock that does not go back.
        """
        bucket = self._buckets.setdefault(key_id, _Bucket(self._burst, at))
        bucket.tokens = min(self._burst, bucket.tokens + (at - bucket.at) * self._per_second)
        bucket.at = at
        if bucket.tokens < 1.0:
            return (1.0 - bucket.tokens) / self._per_second
        bucket.tokens -= 1.0
        return 0.0
