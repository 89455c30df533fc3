"""Versions that Kubernetes has dropped and old clients still name: their types, made from those of today.

definitions(current) -> the schemas of the old versions
like(definition)     -> the current definition that a definition was made from
name_of(group, version, kind) -> the definition of an old kind
messages(current)    -> the protobuf messages of the old versions
"""

from kube_lite.resources.withdrawn.derivation import Messages, definitions, like, messages, name_of

__all__ = ["Messages", "definitions", "like", "messages", "name_of"]
