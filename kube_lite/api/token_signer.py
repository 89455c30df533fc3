"""The key that service account tokens are signed with: JSON Web Signatures by ES256 (RFC 7515, 7518)."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from kube_lite.api import certs
from kube_lite.resources.meta import Obj

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_EC_BYTES = 32


class TokenError(Exception):
    """Raised when a token is not one of ours, or no longer good; says why."""


class Signer:
    """The key that tokens are signed with, in a 0600 file; in memory only when there is no directory."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._key: EllipticCurvePrivateKey | None = None
        self._key_id = ""

    def _load(self) -> EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        if self._key is not None:
            return self._key
        if self._path is not None and self._path.exists():
            loaded = serialization.load_pem_private_key(self._path.read_bytes(), None)
            assert isinstance(loaded, ec.EllipticCurvePrivateKey), f"{self._path} is not an EC key"
            key = loaded
        else:
            key = ec.generate_private_key(ec.SECP256R1())
            if self._path is not None:
                pem = key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
                certs.write_private(self._path, pem)
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._key, self._key_id = key, _b64(hashlib.sha256(public).digest())
        return key

    def sign(self, claims: Obj) -> str:
        """A compact JWS of ``claims``."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        key = self._load()
        head = _b64(json.dumps({"alg": "ES256", "kid": self._key_id}, separators=(",", ":")).encode())
        signed = f"{head}.{_b64(json.dumps(claims, separators=(',', ':')).encode())}"
        r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_b64(r.to_bytes(_EC_BYTES, 'big') + s.to_bytes(_EC_BYTES, 'big'))}"

    def verify(self, token: str) -> Obj:
        """The claims of a token with a good signature. :raises TokenError: it has none"""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        key = self._load()
        try:
            head, body, signature = token.split(".")
            header, raw = json.loads(unb64(head)), unb64(signature)
            # the algorithm is ours, whatever the header says: "none" and HMAC with a public key get nowhere
            if header.get("alg") != "ES256" or header.get("kid") != self._key_id or len(raw) != 2 * _EC_BYTES:
                raise TokenError("signed by somebody else")
            r, s = int.from_bytes(raw[:_EC_BYTES], "big"), int.from_bytes(raw[_EC_BYTES:], "big")
            message = f"{head}.{body}".encode()
            key.public_key().verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
            claims: Obj = json.loads(unb64(body))
        except (ValueError, AttributeError, RecursionError, InvalidSignature) as error:  # a header may be nested
            raise TokenError("not a token of this cluster") from error
        return claims

    def jwks(self) -> Obj:
        """The public key as a JSON Web Key Set (RFC 7517)."""
        numbers = self._load().public_key().public_numbers()
        jwk = {
            "use": "sig",
            "kty": "EC",
            "kid": self._key_id,
            "crv": "P-256",
            "alg": "ES256",
            "x": _b64(numbers.x.to_bytes(_EC_BYTES, "big")),
            "y": _b64(numbers.y.to_bytes(_EC_BYTES, "big")),
        }
        return {"keys": [jwk]}


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unb64(text: str) -> bytes:
    """Base64url without padding, each value in one spelling only (RFC 7515 section 2).

    :raises ValueError: not such a text
    """
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _b64(raw) != text:
        raise ValueError("not base64url")
    return raw
