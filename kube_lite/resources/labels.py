"""What may be a label: the predicates behind every label, selector and annotation check.

Rules and messages are those of upstream's ``apimachinery/pkg/api/validate/content`` (v1.36).
"""

from __future__ import annotations

import re

MAX_PART = 63
"""Longest name part of a label key, and longest label value, in bytes."""
MAX_PREFIX = 253
"""Longest prefix of a label key, in bytes."""

_NAME_PATTERN = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_PREFIX_PATTERN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_NAME = re.compile(_NAME_PATTERN)
_PREFIX = re.compile(_PREFIX_PATTERN)
_NAME_RULE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME_PATTERN}')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'({_NAME_PATTERN})?')"
)
_PREFIX_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_PREFIX_PATTERN}')"
)


def label_key_errors(key: str) -> list[str]:
    """Why ``key`` is not a qualified name (``[prefix/]name``), in upstream's words; empty when it is one."""
    prefix, slash, name = key.rpartition("/")
    errors = []
    if slash:
        if "/" in prefix:
            return [
                f"a qualified name {_NAME_RULE} with an optional DNS subdomain prefix and '/' "
                "(e.g. 'example.com/MyName')"
            ]
        if not prefix:
            errors.append("prefix part must be non-empty")
        else:
            if len(prefix.encode()) > MAX_PREFIX:
                errors.append(f"prefix part must be no more than {MAX_PREFIX} characters")
            if not _PREFIX.fullmatch(prefix):
                errors.append(f"prefix part {_PREFIX_RULE}")
    if not name:
        errors.append("name part must be non-empty")
    elif len(name.encode()) > MAX_PART:
        errors.append(f"name part must be no more than {MAX_PART} characters")
    if not _NAME.fullmatch(name):
        errors.append(f"name part {_NAME_RULE}")
    return errors


def label_value_errors(value: str) -> list[str]:
    """Why ``value`` is not a label value, in upstream's words; empty when it is one."""
    errors = []
    if len(value.encode()) > MAX_PART:
        errors.append(f"must be no more than {MAX_PART} characters")
    if value and not _NAME.fullmatch(value):
        errors.append(_VALUE_RULE)
    return errors
