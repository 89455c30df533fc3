"""Jobs by part."""
