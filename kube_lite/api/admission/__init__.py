"""Admission: one file per plugin, two explicit ordered tuples in ``chain``."""
