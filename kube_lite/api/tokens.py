"""Service account tokens: JSON Web Tokens signed with the cluster's own key, bound to what they are for.

A token names its account, and the pod it was made for when there is one; it is good only while these exist with
the same uid, which is looked up at every use, so a token dies with its pod. ES256, RFC 7519 and 7518.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from kube_lite import clock, errors
from kube_lite.api import audit, codec, managed, options
from kube_lite.api.admission.plugin import AdmissionRequest, Chain, Objects
from kube_lite.api.http import Request, Response, json_response
from kube_lite.api.legacy_tokens import LastUses
from kube_lite.api.negotiate import negotiate
from kube_lite.api.objectmeta import Names
from kube_lite.api.token_signer import Signer, TokenError, unb64
from kube_lite.api.user import AUTHENTICATED, SERVICE_ACCOUNTS, User
from kube_lite.resources import field
from kube_lite.resources.kinds.secret import INVALID_SINCE
from kube_lite.resources.meta import Obj, dig
from kube_lite.resources.registry import Resource

JWKS = "application/jwk-set+json"
"""Media type of the keys that tokens are checked with."""
ISSUER = "https://kubernetes.default.svc"
"""Upstream's usual --service-account-issuer."""
LEGACY_ISSUER = "kubernetes/serviceaccount"
"""Issuer of the tokens in Secrets (upstream: ``pkg/serviceaccount/legacy.go``)."""
DEFAULT_SECONDS = 3600
SHORTEST_SECONDS = 600
LONGEST_SECONDS = 1 << 32
"""Bounds of ``spec.expirationSeconds`` (upstream: authentication/v1 TokenRequest)."""
MOUNTED_SECONDS = 3607
"""What the volume that every pod gets asks for. Such a token is good for a year, since older clients read it once,
and says after which time it should have been read again (upstream: --service-account-extend-token-expiration)."""
EXTENDED_SECONDS = 365 * 24 * 3600
DELETED_LEEWAY = 60
"""Seconds for which the tokens of an object go on that was to be gone already (upstream: ``claims.go``)."""
TOKEN_REQUEST = Resource(
    kind="TokenRequest",
    plural="serviceaccounts",
    group="authentication.k8s.io",
    definition="io.k8s.api.authentication.v1.TokenRequest",
)
"""What travels over ``serviceaccounts/token``."""
_BOUND = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}
_BOUND_CLAIMS = tuple((kind.lower(), plural) for kind, plural in _BOUND.items())


def _from_base64(text: str) -> str:
    try:
        return base64.b64decode(text).decode()
    except ValueError:
        return ""


class Tokens:
    """Makes and checks service account tokens.

    :param audiences: who the API server itself is; the audiences of tokens that name none
    :param admission: asked about every request for a token
    :param uses: told when a token in a Secret was used
    """

    def __init__(
        self,
        signer: Signer,
        objects: Objects,
        names: Names,
        audiences: Sequence[str] = (ISSUER,),
        admission: Chain | None = None,
        uses: LastUses | None = None,
    ) -> None:
        self._uses = uses
        self.signer = signer
        self._admission = admission or Chain()
        self._objects = objects
        self._names = names
        self.audiences = tuple(audiences)

    async def request(self, request: Request, resource: Resource) -> Response:
        """POST to ``serviceaccounts/NAME/token``: a TokenRequest, answered with its token.

        :raises NotFound: there is no such account, or no such object to bind to
        """
        info = request.info
        wanted = options.write_options(request, "CreateOptions")
        value = codec.decode_body(request, TOKEN_REQUEST, await request.body(), wanted)
        self._check_place(value["metadata"], info.namespace, info.name)
        account = self._objects.lookup("serviceaccounts", info.namespace, info.name)
        if account is None:
            raise errors.not_found("serviceaccounts", "", info.name)
        self._check_uid(value["metadata"].get("uid"), account["metadata"])
        spec: Obj = value.setdefault("spec", {})
        seconds = spec.setdefault("expirationSeconds", DEFAULT_SECONDS)
        managed.on_create(TOKEN_REQUEST, value, wanted)
        self._check(spec, seconds)
        dry = wanted.dry_run
        await self._admit(request, resource, value, dry)
        audiences = list(spec.get("audiences") or self.audiences)
        claims = self._claims(account, audiences, seconds, spec.get("boundObjectRef"))
        spec |= {"audiences": audiences, "expirationSeconds": seconds}
        spec.setdefault("boundObjectRef", None)
        ends = clock.now() + timedelta(seconds=seconds)
        answer: Obj = {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {**value["metadata"], "creationTimestamp": None},
            "spec": spec,
            "status": {
                "token": "" if dry else self.signer.sign(claims),
                "expirationTimestamp": clock.timestamp(ends),
            },
        }
        return codec.encoded(answer, negotiate(request.header("accept"), table=False), 201)

    async def _admit(self, request: Request, resource: Resource, value: Obj, dry_run: bool) -> None:
        info = request.info
        asked = AdmissionRequest(
            operation="CREATE",
            resource=resource,
            subresource="token",
            namespace=info.namespace,
            name=info.name,
            user=request.user,
            obj=value,
            dry_run=dry_run,
            warnings=request.warnings,
        )
        await self._admission.admit(asked, self._objects)
        await self._admission.validate(asked, self._objects)

    @staticmethod
    def _check_place(metadata: Obj, namespace: str, name: str) -> None:
        """A request that names an account names that of its path. :raises BadRequest: :raises Invalid: it does not"""
        if metadata.get("namespace") not in (None, "", namespace):
            raise errors.BadRequest(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        given = metadata.get("name")
        if given not in (None, "", name):
            wrong = field.invalid("metadata.name", given, "must match the service account name if specified")
            raise errors.invalid("TokenRequest", "authentication.k8s.io", name, [wrong])

    @staticmethod
    def _check_uid(given: str | None, account: Obj) -> None:
        """:raises Conflict: the account that is meant was deleted, and another has its name"""
        if given and given != account["uid"]:
            why = f"the UID in the token request ({given}) does not match the UID of the service account"
            what = "TokenRequest", "authentication.k8s.io", account["name"]
            raise errors.conflict(*what, f"{why} ({account['uid']})")

    @staticmethod
    def _check(spec: Obj, seconds: Any) -> None:
        wrong = []
        path = "spec.expirationSeconds"
        if seconds < SHORTEST_SECONDS:
            wrong.append(field.invalid(path, seconds, "may not specify a duration less than 10 minutes"))
        elif seconds > LONGEST_SECONDS:
            wrong.append(field.invalid(path, seconds, "may not specify a duration larger than 2^32 seconds"))
        if wrong:
            raise errors.invalid("TokenRequest", "authentication.k8s.io", "", wrong)

    def _claims(self, account: Obj, audiences: list[str], seconds: int, bound: Obj | None) -> Obj:
        namespace, name = account["metadata"]["namespace"], account["metadata"]["name"]
        private: Obj = {
            "namespace": namespace,
            "serviceaccount": {"name": name, "uid": account["metadata"]["uid"]},
        }
        if bound:
            private |= self._bound_claims(namespace, name, bound)
        now = int(clock.now().timestamp())
        lasts = seconds
        if seconds == MOUNTED_SECONDS and set(audiences) <= set(self.audiences):
            lasts, private["warnafter"] = EXTENDED_SECONDS, now + seconds
        return {
            "aud": audiences,
            "exp": now + lasts,
            "iat": now,
            "iss": ISSUER,
            "jti": self._names.uid(),
            "kubernetes.io": private,
            "nbf": now,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }

    def _bound_claims(self, namespace: str, account: str, bound: Obj) -> Obj:
        kind, name, uid = bound.get("kind") or "", bound.get("name") or "", bound.get("uid") or ""
        plural = _BOUND.get(kind)
        if plural is None:
            group, _, version = (bound.get("apiVersion") or "").rpartition("/")
            raise errors.BadRequest(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
        found = self._objects.lookup(plural, "" if kind == "Node" else namespace, name)
        if found is None:
            raise errors.not_found(plural, "", name)
        actual = found["metadata"]["uid"]
        if uid and uid != actual:
            why = f"the UID in the bound object reference ({uid}) does not match the UID in record. "
            raise errors.conflict(plural, "", name, why + "The object might have been deleted and then recreated")
        if kind == "Pod" and dig(found, "spec", "serviceAccountName") != account:
            raise errors.BadRequest(
                f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
            )
        claims: Obj = {kind.lower(): {"name": name, "uid": actual}}
        node = dig(found, "spec", "nodeName") if kind == "Pod" else ""
        if node:
            host = self._objects.lookup("nodes", "", node)
            claims["node"] = {"name": node, **({"uid": host["metadata"]["uid"]} if host else {})}
        return claims

    def pages(self, url: str) -> dict[str, Callable[[Request], Awaitable[Response | None]]]:
        """What lets others check our tokens (OpenID Connect Discovery 1.0), by first path segment.

        :param url: where the API server is reached
        """

        async def configuration(request: Request) -> Response | None:
            if request.info.path != "/.well-known/openid-configuration":
                return None
            document = {
                "issuer": ISSUER,
                "jwks_uri": f"{url}/openid/v1/jwks",
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
            }
            return _kept_for_an_hour(json_response(document))

        async def keys(request: Request) -> Response | None:
            if request.info.path != "/openid/v1/jwks":
                return None
            taken = [part.partition(";")[0].strip() for part in request.header("accept").split(",")]
            if not {"", "*/*", "application/*", JWKS} & set(taken):
                raise errors.NotAcceptable("406: Not Acceptable", {})
            response = json_response(self.signer.jwks())
            response.content_type = JWKS
            return _kept_for_an_hour(response)

        return {".well-known": configuration, "openid": keys}

    @staticmethod
    def is_own(token: str) -> bool:
        """Whether a token says that it is one of ours; whether that is true, ``review`` finds out."""
        parts = token.split(".")
        if len(parts) != 3:
            return False
        try:
            claims = json.loads(unb64(parts[1]))
        except (ValueError, RecursionError):
            return False
        return isinstance(claims, dict) and claims.get("iss") in (ISSUER, LEGACY_ISSUER)

    async def authenticate(self, token: str) -> User | None:
        """The account of a token meant for the API server; None when it is not a token of ours at all.

        :raises Unauthorized: it is ours and no longer good
        """
        if not self.is_own(token):
            return None
        try:
            user, audiences = await self.review(token)
        except TokenError as error:
            raise errors.Unauthorized("Unauthorized") from error
        if not set(audiences) & set(self.audiences):
            raise errors.Unauthorized("Unauthorized")
        return user

    async def review(self, token: str) -> tuple[User, list[str]]:
        """The account and audiences of a token. :raises TokenError: not good, or no longer"""
        claims = self.signer.verify(token)
        if claims.get("iss") == LEGACY_ISSUER:
            return await self._review_legacy(token, claims)
        now = clock.now().timestamp()
        if claims.get("iss") != ISSUER or not claims.get("nbf", 0) - 10 <= now < claims.get("exp", 0):
            raise TokenError("expired, or not valid yet")
        private = claims.get("kubernetes.io") or {}
        namespace = private.get("namespace", "")
        account = private.get("serviceaccount") or {}
        self._account_alive(namespace, account)
        extra: dict[str, list[str]] = {"authentication.kubernetes.io/credential-id": [f"JTI={claims.get('jti', '')}"]}
        for kind, plural in _BOUND_CLAIMS:
            if kind in private and (kind != "node" or "pod" not in private):  # a pod's token only tells of its node
                self._alive(kind, plural, "" if kind == "node" else namespace, private[kind])
        for kind in ("pod", "node"):
            if kind in private:
                extra[f"authentication.kubernetes.io/{kind}-name"] = [private[kind]["name"]]
                if uid := private[kind].get("uid"):
                    extra[f"authentication.kubernetes.io/{kind}-uid"] = [uid]
        groups = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED)
        name = f"system:serviceaccount:{namespace}:{account.get('name', '')}"
        return User(name, account.get("uid", ""), groups, extra, "token"), list(claims.get("aud") or ())

    def legacy(self, namespace: str, account: str, uid: str, secret: str) -> str:
        """A token that does not expire, for the Secret it will lie in."""
        private = f"{LEGACY_ISSUER.replace('/', '.io/')}/"
        return self.signer.sign(
            {
                "iss": LEGACY_ISSUER,
                f"{private}namespace": namespace,
                f"{private}secret.name": secret,
                f"{private}service-account.name": account,
                f"{private}service-account.uid": uid,
                "sub": f"system:serviceaccount:{namespace}:{account}",
            }
        )

    async def _review_legacy(self, token: str, claims: Obj) -> tuple[User, list[str]]:
        private = f"{LEGACY_ISSUER.replace('/', '.io/')}/"
        namespace, name = claims.get(f"{private}namespace", ""), claims.get(f"{private}service-account.name", "")
        uid = claims.get(f"{private}service-account.uid", "")
        account = self._account_alive(namespace, {"name": name, "uid": uid})
        secret = self._objects.lookup("secrets", namespace, claims.get(f"{private}secret.name", ""))
        lying = _from_base64(dig(secret or {}, "data", "token", default=""))
        if secret is None or secret["metadata"].get("deletionTimestamp") or lying != token:
            raise TokenError("service account token has been invalidated")
        if (secret["metadata"].get("labels") or {}).get(INVALID_SINCE):
            place = f"{namespace}/{secret['metadata']['name']}"
            audit.annotate({"authentication.k8s.io/legacy-token-invalidated": place})
            raise TokenError(
                f"the token in secret {place} for service account {namespace}/{name} "
                "has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based "
                f"tokens, or remove the '{INVALID_SINCE}' label from the secret to temporarily allow use of this token"
            )
        if self._uses is not None:
            await self._uses.note(secret, account)
        groups = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED)
        user = User(f"system:serviceaccount:{namespace}:{name}", uid, groups, how="token")
        return user, list(self.audiences)

    def _account_alive(self, namespace: str, reference: Obj) -> Obj:
        """The account, if it is still the one that is meant. :raises TokenError: it is not"""
        name, uid = reference.get("name", ""), reference.get("uid")
        found = self._objects.lookup("serviceaccounts", namespace, name)
        if found is None:
            raise TokenError(f'serviceaccounts "{name}" not found')
        if _is_past(found):
            raise TokenError(f"service account {namespace}/{name} has been deleted")
        if found["metadata"]["uid"] != uid:
            raise TokenError(f"service account UID ({found['metadata']['uid']}) does not match claim ({uid})")
        return found

    def _alive(self, kind: str, plural: str, namespace: str, reference: Obj) -> None:
        found, uid = self._objects.lookup(plural, namespace, reference.get("name", "")), reference.get("uid")
        if found is None or _is_past(found):
            raise TokenError("service account token has been invalidated")
        if found["metadata"]["uid"] != uid:
            actual = found["metadata"]["uid"]
            raise TokenError(f"{kind} UID ({actual}) does not match service account {kind} ref claim ({uid})")


def _kept_for_an_hour(response: Response) -> Response:
    """Issuer and keys are public and seldom change: who checks tokens need not ask each time (upstream's max-age)."""
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


def _is_past(obj: Obj) -> bool:
    """Whether an object should have been gone for a while, whatever keeps it."""
    ends = obj["metadata"].get("deletionTimestamp")
    return bool(ends) and clock.parse_timestamp(ends) < clock.now() - timedelta(seconds=DELETED_LEEWAY)
