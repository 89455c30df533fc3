"""Archives that try to leave the root, to exhaust the reader, or to break it: raw bytes, header by header."""

from __future__ import annotations

import random
from collections.abc import Iterator

FILE, HARD, LINK, CHAR, BLOCKDEV, DIR, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"


def header(
    name: bytes, kind: bytes = FILE, link: bytes = b"", size: int | bytes = 0, mode: bytes = b"0000755\0", **more: bytes
) -> bytes:
    """A ustar header; names are cut at their field's end."""
    length = size if isinstance(size, bytes) else b"%011o\0" % size
    block = bytearray(512)
    for start, width, value in (
        (0, 100, name),
        (100, 8, mode),
        (108, 8, more.get("uid", b"0000000\0")),
        (116, 8, more.get("gid", b"0000000\0")),
        (124, 12, length),
        (136, 12, more.get("mtime", b"00000000000\0")),
        (148, 8, b" " * 8),
        (156, 1, kind),
        (157, 100, link),
        (257, 8, b"ustar\x0000"),
        (345, 155, more.get("prefix", b"")),
    ):
        block[start : start + width] = value[:width].ljust(width, b"\0")
    block[148:156] = more.get("checksum", b"%06o\0 " % sum(block))
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def member(name: bytes, kind: bytes = FILE, link: bytes = b"", content: bytes = b"", **more: bytes) -> bytes:
    """A header and content; names and links that do not fit get pax records."""
    records = b""
    if len(name) > 100:
        records += record(b"path", name)
    if len(link) > 100:
        records += record(b"linkpath", link)
    extra = extension(b"x", records) if records else b""
    return extra + header(name, kind, link, len(content), **more) + padded(content)


def extension(kind: bytes, data: bytes) -> bytes:
    return header(b"ext", kind, size=len(data)) + padded(data)


def record(key: bytes, value: bytes) -> bytes:
    length = len(key) + len(value) + 3
    while len(b"%d" % length) + len(key) + len(value) + 3 != length:
        length = len(b"%d" % length) + len(key) + len(value) + 3
    return b"%d %b=%b\n" % (length, key, value)


END = bytes(1024)


def names(outside: bytes) -> list[bytes]:
    """Names that point out of the root, or look like it; ``outside`` is the absolute path of the victim."""
    up = b"../" * 12
    return [
        b"..",
        b"../",
        b"/..",
        b"./..",
        b"a/..",
        b"a/../..",
        b"../outside/secret",
        b"./../outside/secret",
        b"a/../../outside/secret",
        b"a/b/../../../outside/new",
        up + outside.lstrip(b"/") + b"/secret",
        b"/" + up + outside.lstrip(b"/") + b"/new",
        outside + b"/secret",
        b"/" + outside + b"/secret",
        b"//" + outside + b"/new",
        b"./" + outside + b"/secret",
        b"/proc/self/cwd/secret",
        b"proc/self/root" + outside + b"/secret",
        b"/dev/fd/0",
        b"..\\outside\\secret",
        b"\xff\xfe/../../outside/secret",
        b"a\n/../../outside/secret",
        b"....//outside/secret",
        b". ./secret",
        b"x" * 4090,
        b"d/" * 700 + b"x",
        b"y" * 256,
        b"/",
        b".",
        b"",
    ]


def targets(outside: bytes) -> list[bytes]:
    """Where a symbolic link may lead."""
    return [
        outside,
        b"../outside",
        b"../" * 12 + outside.lstrip(b"/"),
        b"/../../outside",
        b"/proc/self/cwd",
        b"/proc/self/root" + outside,
        b".",
        b"..",
        b"/",
        b"l",
        b"//" + outside,
    ]


def by_name(outside: bytes) -> Iterator[tuple[str, bytes]]:
    """Every bad name as every kind of entry."""
    for index, name in enumerate(names(outside)):
        for kind, label in ((FILE, "file"), (DIR, "dir"), (LINK, "symlink"), (HARD, "hardlink"), (FIFO, "fifo")):
            link = outside + b"/secret" if kind in (LINK, HARD) else b""
            yield f"name{index}-{label}", member(name, kind, link, b"evil" if kind == FILE else b"") + END
        head, _, tail = name.rpartition(b"/")
        yield f"name{index}-whiteout", member((head + b"/" if head else b"") + b".wh." + tail) + END
        yield f"name{index}-hardlink-target", member(b"h", HARD, name) + member(b"h", content=b"evil") + END


def through_links(outside: bytes) -> Iterator[tuple[str, bytes]]:
    """A link out of the root, and then something done through it, over it or to it."""
    for index, target in enumerate(targets(outside)):
        link = member(b"l", LINK, target)
        for label, then in {
            "file-through": member(b"l/secret", content=b"evil"),
            "new-through": member(b"l/new/deep", content=b"evil"),
            "dir-through": member(b"l/sub", DIR, mode=b"0000777\0"),
            "file-over": member(b"l", content=b"evil"),
            "dir-over": member(b"l", DIR, mode=b"0000700\0") + member(b"l/secret", content=b"evil"),
            "hardlink-through": member(b"h", HARD, b"l/secret") + member(b"h", content=b"evil"),
            "hardlink-to": member(b"h", HARD, b"l") + member(b"h/secret", content=b"evil"),
            "symlink-through": member(b"l/secret", LINK, b"evil"),
            "whiteout-through": member(b"l/.wh.secret"),
            "opaque-through": member(b"l/.wh..wh..opq"),
            "fifo-through": member(b"l/secret", FIFO),
            "second-link": member(b"m", LINK, b"l") + member(b"m/secret", content=b"evil"),
            "nested-link": member(b"l/m", LINK, outside) + member(b"l/m/secret", content=b"evil"),
        }.items():
            yield f"link{index}-{label}", link + then + END
        swapped = member(b"d", DIR) + member(b"d/a", content=b"x") + member(b"d", LINK, target)
        yield f"link{index}-after-open-directory", swapped + member(b"d/secret", content=b"evil") + END
        whited = member(b"d/a", content=b"x") + member(b".wh.d") + member(b"d", LINK, target)
        yield f"link{index}-after-whiteout", whited + member(b"d/secret", content=b"evil") + END


def headers(outside: bytes) -> Iterator[tuple[str, bytes]]:
    """Headers that lie, and extensions that override what the header said."""
    plain = member(b"f", content=b"data")
    evil = outside + b"/secret"
    yield "checksum", header(b"f", checksum=b"000000\0 ") + END
    yield "checksum-text", header(b"f", checksum=b"xxxxxxx\0") + END
    for label, size in {
        "negative": b"\xff" * 12,
        "huge": b"\x80" + b"\x7f" * 11,
        "octal-huge": b"77777777777\0",
        "text": b"12x45678901\0",
        "minus": b"-0000000001\0",
        "empty": b"\0" * 12,
        "longer-than-archive": b"00000100000\0",
    }.items():
        yield f"size-{label}", header(b"f", size=size) + END
    yield "truncated-content", header(b"f", size=4096) + b"x" * 100
    yield "truncated-header", plain + header(b"g")[:200]
    yield "no-end", plain
    yield "garbage", b"\x01" * 2048
    for kind in (b"S", b"M", b"N", b"V", b"D", b"A", b"Z", b"\xff", b"8", b"9"):
        yield f"type-{kind!r}", header(b"f", kind) + END
    for kind in (CHAR, BLOCKDEV):
        yield f"device-{kind!r}", member(b"dev", kind) + member(b"d/null", kind) + member(b"dev/x") + END
    yield "pax-huge", header(b"x", b"x", size=1 << 30) + END
    yield "global-huge", header(b"x", b"g", size=1 << 30) + END
    yield "many-extensions", b"".join(extension(b"x", record(b"a%d" % i, b"b")) for i in range(3000)) + END
    for kind, label in ((b"L", "name"), (b"K", "link")):
        yield f"gnu-{label}-huge", header(b"x", kind, size=1 << 31) + END
        yield f"gnu-{label}-up", extension(kind, b"../outside/secret\0") + member(b"f", HARD, b"x") + END
        yield f"gnu-{label}-absolute", extension(kind, evil + b"\0") + member(b"f", LINK, b"x") + END
        yield f"gnu-{label}-empty", extension(kind, b"\0") + member(b"f", LINK, b"x") + END
        yield f"gnu-{label}-truncated", header(b"x", kind, size=600) + b"abc"
    yield "prefix-up", header(b"secret", prefix=b"../outside") + END
    yield "prefix-absolute", header(b"secret", prefix=outside) + END
    yield "mode-setuid", member(b"f", mode=b"0004777\0") + END
    yield "mode-garbage", header(b"f", mode=b"zzzzzzz\0") + END
    yield "uid-garbage", header(b"f", uid=b"zzzzzzz\0") + END
    yield "gid-base256-negative", header(b"f", gid=b"\xff" * 8) + END


def overrides(outside: bytes) -> Iterator[tuple[str, bytes]]:
    """pax records, each before a file, before a hard link and for all that follows."""
    evil = outside + b"/secret"
    for label, records in {
        "path-up": record(b"path", b"../outside/secret"),
        "path-absolute": record(b"path", evil),
        "path-nul": record(b"path", b"a\0b"),
        "path-empty": record(b"path", b""),
        "path-long": record(b"path", b"a/" * 5000),
        "path-twice": record(b"path", b"ok") + record(b"path", b"../outside/secret"),
        "linkpath": record(b"linkpath", evil),
        "size-text": record(b"size", b"1e9"),
        "size-negative": record(b"size", b"-1"),
        "size-huge": record(b"size", b"9" * 30),
        "size-shorter": record(b"size", b"1"),
        "uid-huge": record(b"uid", b"99999999999"),
        "uid-no-change": record(b"uid", b"4294967295"),
        "uid-negative": record(b"uid", b"-1"),
        "mtime-nan": record(b"mtime", b"nan"),
        "mtime-inf": record(b"mtime", b"inf"),
        "mtime-negative": record(b"mtime", b"-99999999999999"),
        "mtime-text": record(b"mtime", b"soon"),
        "sparse": record(b"GNU.sparse.major", b"1") + record(b"GNU.sparse.realsize", b"99999999"),
        "no-equals": b"9 abcdef\n",
        "length-zero": b"0 a=b\n",
        "length-long": b"999999 a=b\n",
        "length-text": b"xx a=b\n",
        "length-huge": b"9" * 40 + b" a=b\n",
        "length-short": b"2 a=b\n",
        "no-newline": b"6 a=bc",
        "no-key": b"5 =b\n",
        "redirect": record(b"SCHILY.xattr.trusted.overlay.redirect", evil),
        "metacopy": record(b"SCHILY.xattr.trusted.overlay.metacopy", b""),
        "opaque": record(b"SCHILY.xattr.trusted.overlay.opaque", b"y"),
        "user-overlay": record(b"SCHILY.xattr.user.overlay.redirect", evil),
        "selinux": record(b"SCHILY.xattr.security.selinux", b"system_u:object_r:x:s0"),
        "xattr-long-name": record(b"SCHILY.xattr.user." + b"a" * 400, b"x"),
        "xattr-capability": record(b"SCHILY.xattr.security.capability", b"garbage"),
    }.items():
        yield f"pax-{label}", extension(b"x", records) + member(b"f", content=b"data") + END
        yield f"pax-{label}-link", extension(b"x", records) + member(b"f", HARD, b"g") + END
        yield f"global-{label}", extension(b"g", records) + member(b"f", content=b"data") + END


def shapes(outside: bytes) -> Iterator[tuple[str, bytes]]:
    """Entries that change what earlier ones made."""
    deep = b"/".join([b"d"] * 1100)
    for label, archive in {
        "root-as-link": member(b"./", LINK, outside) + member(b"secret", content=b"evil"),
        "root-as-file": member(b"/", content=b"evil"),
        "root-as-hardlink": member(b"./", HARD, outside),
        "root-mode": member(b"./", DIR, mode=b"0000000\0") + member(b"a", content=b"x"),
        "dir-file-dir": member(b"a/b", content=b"1") + member(b"a", content=b"2") + member(b"a/b", content=b"3"),
        "file-as-parent": member(b"a", content=b"1") + member(b"a/b", content=b"2"),
        "fifo-as-parent": member(b"a", FIFO) + member(b"a/b", content=b"2"),
        "write-to-fifo": member(b"a", FIFO) + member(b"a", content=b"2"),
        "hardlink-itself": member(b"a", HARD, b"a"),
        "hardlink-existing-itself": member(b"a", content=b"1") + member(b"a", HARD, b"a"),
        "hardlink-directory": member(b"a", DIR) + member(b"b", HARD, b"a"),
        "hardlink-root": member(b"b", HARD, b"."),
        "hardlink-missing": member(b"b", HARD, b"nowhere/x"),
        "hardlink-under-itself": member(b"a", content=b"1") + member(b"a/b", HARD, b"a"),
        "whiteout-nothing": member(b".wh."),
        "whiteout-dot": member(b".wh.."),
        "whiteout-dotdot": member(b".wh..."),
        "whiteout-slash": member(b".wh./../../outside/secret"),
        "whiteout-as-dir": member(b".wh.x", DIR) + member(b".wh.x/y", content=b"1"),
        "whiteout-as-link": member(b".wh.x", LINK, outside) + member(b"x/secret", content=b"evil"),
        "whiteout-hardlink": member(b".wh.x") + member(b"y", HARD, b"x") + member(b"y", content=b"1"),
        "whiteout-parent": member(b".wh.x") + member(b"x/y", content=b"1"),
        "whiteout-of-full-directory": member(b"x/y", content=b"1") + member(b".wh.x"),
        "aufs": member(b".wh..wh.plnk/1.2", content=b"1") + member(b".wh..wh.aufs", content=b"1"),
        "deep": member(deep + b"/x", content=b"1"),
        "deeper-by-link": member(deep, DIR) + member(b"s", LINK, deep) + member(b"s/" + deep, DIR) + member(b"d"),
        "loop": member(b"a", LINK, b"b") + member(b"b", LINK, b"a") + member(b"a/x", content=b"1"),
        "link-chain": b"".join(member(b"l%d" % i, LINK, b"l%d" % (i + 1)) for i in range(60)) + member(b"l0/x"),
        "dangling-parent": member(b"a", LINK, b"missing") + member(b"a/b/c", content=b"1"),
        "same-name-often": member(b"a", content=b"1") * 500,
        "dir-link-flips": (member(b"a", DIR) + member(b"a", LINK, outside) + member(b"a/secret")) * 30,
        "too-many": b"".join(member(b"f%d" % i) for i in range(5001)),
    }.items():
        yield label, archive + END


def mutants(count: int) -> Iterator[tuple[str, bytes]]:
    """A good archive with seeded damage: flipped bytes, with checksums put right so that the parser goes on."""
    good = member(b"d", DIR) + member(b"d/f", content=b"data" * 300) + member(b"d/l", LINK, b"f")
    good += extension(b"x", record(b"path", b"d/long") + record(b"mtime", b"1.5")) + member(b"x", content=b"y")
    good += member(b"d/h", HARD, b"d/f") + member(b".wh.gone") + END
    dice = random.Random(20260101)
    for index in range(count):
        data = bytearray(good)
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(len(data))] = dice.choice((0, 0x2E, 0x2F, 0x37, 0xFF, dice.randrange(256)))
        if index % 2:
            for start in range(0, len(data) - 1024, 512):
                block = data[start : start + 512]
                if block[257:262] == b"ustar":
                    total = sum(block) - sum(block[148:156]) + 256
                    data[start + 148 : start + 156] = b"%06o\0 " % total
        yield f"mutant{index}", bytes(data)


def cases(outside: bytes) -> dict[str, bytes]:
    """All of them, by label."""
    found: dict[str, bytes] = {}
    for source in (
        by_name(outside),
        through_links(outside),
        headers(outside),
        overrides(outside),
        shapes(outside),
        mutants(120),
    ):
        for label, archive in source:
            assert label not in found
            found[label] = archive
    return found
