"""URLs, addresses, networks, quantities and formats in CEL."""

from __future__ import annotations

import pytest

from kube_lite.resources.cel import program


@pytest.mark.parametrize(
    "source",
    [
        "url('https://e.com/with space/').getEscapedPath() == '/with%20space/' && !isURL('https://bad url.com/')",
        "isIP('::1') && !isIP('::ffff:1.2.3.4') && !isIP('fe80::1%eth0') && !isIP('01.2.3.4')",
        "ip('224.0.0.1').isLinkLocalMulticast() && !ip('224.0.1.1').isLinkLocalMulticast()",
        "ip('10.0.0.1').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast()",
        "!ip('169.254.1.1').isGlobalUnicast() && ip('169.254.1.1').isLinkLocalUnicast()",
        "isCIDR('10.0.0.0/8') && !isCIDR('192.168.0.0/024') && !isCIDR('::ffff:1.2.3.4/112') && !isCIDR('1.2.3.4')",
        "type(ip('1.1.1.1')) == net.IP && type(quantity('1')) == kubernetes.Quantity",
        "quantity('50M').isInteger() && !quantity('9999999999999999999999999G').isInteger()",
        "format.uuid().validate('x').value() == ['does not match the UUID format']",
        "format.date().validate('x').value() + format.datetime().validate('x').value() == "
        "['invalid date', 'invalid datetime']",
        "matches('k8s', '^k') && !matches('k8s', '^8')",
        "optional.of(1).optFlatMap(x, optional.of(x + 1)).value() == 2",
        "type([]) == list && type({}) == map && type('') != list",
    ],
)
def test_values_are_what_upstream_takes_them_for(source: str) -> None:
    assert program.compile(source).evaluate({}) is True
