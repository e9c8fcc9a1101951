"""The container images the components run in. Tags are versions: what a compiled package names never moves."""

from voxloop import __version__

VOXLOOP = f"voxloop:{__version__}"
"""The whole platform. `kfp.local` ignores the image and runs the step in the current environment."""
