"""Whether the quick check sees real drift: windows of real speech, changed and unchanged."""
