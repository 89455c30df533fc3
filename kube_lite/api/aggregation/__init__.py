"""API groups that other servers answer for, and requests passed on to Services and pods."""
