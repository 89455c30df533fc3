"""Names of images: ``[registry/]repository[:tag][@digest]``, completed as every client completes them.

The grammar and the completion (docker.io, library/, latest) are those of the distribution project's reference
package, which all container tools share.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kube_lite.node.runtime import RuntimeFailure

DEFAULT_REGISTRY = "docker.io"

_DOMAIN = re.compile(
    r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*(?::[0-9]+)?"
    r"|\[[a-fA-F0-9:]+\](?::[0-9]+)?"
)
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}")
_NAME_LIMIT = 255


def is_digest(text: str) -> bool:
    """Whether ``text`` is a digest of an algorithm that we verify (sha256, sha512)."""
    return _DIGEST.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Reference:
    """A complete image name; ``tag`` is empty when only a digest was given."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read and complete a name. :raises RuntimeFailure: InvalidImageName"""
        name, _, digest = text.partition("@")
        if "@" in text and not is_digest(digest):
            raise _invalid(text, "invalid reference format")
        tag = ""
        head, separator, tail = name.rpartition(":")
        if separator and "/" not in tail:
            name, tag = head, tail
            if _TAG.fullmatch(tag) is None:
                raise _invalid(text, "invalid reference format")
        registry, separator, repository = name.partition("/")
        if not separator or not (set(registry) & {".", ":"} or registry == "localhost" or registry != registry.lower()):
            registry, repository = DEFAULT_REGISTRY, name
        if registry == "index.docker.io":
            registry = DEFAULT_REGISTRY
        if registry == DEFAULT_REGISTRY and "/" not in repository:
            repository = "library/" + repository
        if repository != repository.lower():
            reason = f"invalid reference format: repository name ({repository}) must be lowercase"
            raise _invalid(text, reason)
        if _DOMAIN.fullmatch(registry) is None or not all(map(_COMPONENT.fullmatch, repository.split("/"))):
            raise _invalid(text, "invalid reference format")
        if len(registry) + 1 + len(repository) > _NAME_LIMIT:
            raise _invalid(text, f"repository name must not be more than {_NAME_LIMIT} characters")
        return cls(registry, repository, tag or ("" if digest else "latest"), digest)

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    @property
    def version(self) -> str:
        """What the registry is asked for: the digest if there is one, else the tag."""
        return self.digest or self.tag

    @property
    def key(self) -> str:
        """The name under which an image is looked up: a digest beats a tag."""
        return self.with_digest(self.digest) if self.digest else str(self)

    def with_digest(self, digest: str) -> str:
        """The name that pins this very content: ``registry/repository@digest``."""
        return f"{self.name}@{digest}"

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def _invalid(text: str, reason: str) -> RuntimeFailure:
    message = f'Failed to apply default image tag "{text}": couldn\'t parse image name "{text}": {reason}'
    return RuntimeFailure("InvalidImageName", message)
