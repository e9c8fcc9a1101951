"""From a judged model to the one in service: evidence, registration, approval, promotion."""
