"""One outside system a file; each implements a Protocol that stands in the room which needs it."""
