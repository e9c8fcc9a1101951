"""What people are told of: what waits for them, and what has failed. Grouped, and never in a flood."""
