"""Answers of servers that nobody vouches for, read within bounds."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import httpx
import pytest

from kube_lite import clock
from kube_lite.api.answers import PIECES, BadAnswer, whole

MEGABYTE = 1 << 20


class Chunks(httpx.AsyncByteStream):
    def __init__(self, *chunks: bytes, times: int = 1) -> None:
        self._chunks, self._times = chunks, times

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self._times):
            for chunk in self._chunks:
                yield chunk


def read(stream: Chunks, most: int = MEGABYTE, encoding: str = "") -> bytes:
    headers = {"content-encoding": encoding} if encoding else {}
    return clock.run_virtual(whole(httpx.Response(200, headers=headers, stream=stream), most))


def test_an_answer_is_put_together_and_decompressed() -> None:
    assert read(Chunks(b"ab", b"c", times=2)) == b"abcabc"
    assert read(Chunks(gzip.compress(b"abc")), encoding="GZIP") == b"abc"


@pytest.mark.parametrize(
    ("stream", "encoding", "told"),
    [
        (Chunks(b"x" * MEGABYTE, b"x"), "", "too large"),
        (Chunks(b"x", times=PIECES + 1), "", "too large"),
        (Chunks(gzip.compress(b" " * (MEGABYTE + 1))), "gzip", "too large"),
        (Chunks(gzip.compress(gzip.compress(b" " * MEGABYTE))), "gzip, gzip", "not asked for"),
        (Chunks(gzip.compress(b"abc")[:-9]), "gzip", "unexpected EOF"),
        (Chunks(b"abc"), "gzip", "gzip: "),
    ],
)
def test_what_is_too_long_or_compressed_otherwise_is_refused(stream: Chunks, encoding: str, told: str) -> None:
    with pytest.raises(BadAnswer, match=told):
        read(stream, encoding=encoding)
