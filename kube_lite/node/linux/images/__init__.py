"""Images: pulled, imported, verified, unpacked and cached."""
