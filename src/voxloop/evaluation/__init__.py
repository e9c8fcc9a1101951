"""What a model is worth, with how much certainty, and whether that is enough to go on."""
