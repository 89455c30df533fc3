"""What exists: kinds, their structure and their rules, as pure data without I/O."""
