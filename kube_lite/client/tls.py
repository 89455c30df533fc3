"""TLS to an API server, as a kubeconfig says: whom to trust, and who one is."""

from __future__ import annotations

import os
import ssl

from kube_lite.client.kubeconfig import Connection


def ssl_context(connection: Connection) -> ssl.SSLContext:
    """Trust and identity of a connection. :raises ssl.SSLError, ValueError: OpenSSL refuses the certificates"""
    # a context that trusts the system reads all its certificates, so it is made only where none is given
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if connection.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif connection.ca:
        context.load_verify_locations(cadata=connection.ca.decode())
    else:
        context.load_default_certs()
    if connection.client_certificate:
        # OpenSSL reads identities from files only; this one is in no file system
        descriptor = os.memfd_create("client-identity")
        try:
            os.write(descriptor, connection.client_certificate.rstrip() + b"\n" + connection.client_key)
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
    return context
