"""What production really sends: the prediction log, and what is concluded from it."""
