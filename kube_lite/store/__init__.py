"""Where objects are kept: keys, bytes and revisions; nothing here knows a kind."""
