"""Whether production sends what it did: profiles, the quick check, the policy that asks for a retraining."""
