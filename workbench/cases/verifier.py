"""Checks an evidence bundle with nothing but Python 3.9 or later: no network, no other package.

This file lies in every bundle as ``verify.py``. Whoever doubts that copy takes one from elsewhere:
it is the same for all bundles of a version, and the receipt prints its hash.

    python3 verify.py BUNDLE.zip --key 64_HEXADECIMAL_DIGITS

Exit status: 0 whole; 1 something is wrong, a sentence each; 2 this is no bundle. The key's digits
stand on the receipt: without them a bundle is shown to be whole, but not to be the one that was
handed out.
"""

import argparse
import hashlib
import json
import stat
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

FORMAT = 1
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
DERIVED = "derived.json"
APART = (MANIFEST, SIGNATURE)
"""What the manifest cannot list: itself, and what signs it."""
LARGEST_MANIFEST = 1 << 26
GENESIS = "0" * 64
_NO_LOG = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
_BROKEN = (OSError, zipfile.BadZipFile, RuntimeError, ValueError, EOFError, KeyError, zlib.error)
"""What reading raises where a file is packed as no zip of ours is, or its stream is broken."""

SAYS = {
    "no bundle": (
        "đây không phải là một gói chứng cứ: {why}",
        "this is no evidence bundle: {why}",
    ),
    "missing": ("thiếu {name}", "{name} is missing"),
    "added": ("{name} không có trong bản kê", "{name} is not in the manifest: it was added"),
    "size": (
        "{name} dài {size} byte, bản kê ghi {listed}",
        "{name} has {size} bytes, and the manifest says {listed}",
    ),
    "altered": (
        "{name} đã bị thay đổi: mã băm khác bản kê",
        "{name} was altered: its hash is not the manifest's",
    ),
    "name": (
        "{name} không phải là tên tệp được phép trong gói",
        "{name} is no name for a file of a bundle",
    ),
    "twice": ("{name} có hai lần", "{name} is there twice"),
    "link": ("{name} là một liên kết, không phải tệp", "{name} is a link, and no file"),
    "order": (
        "bản kê không theo thứ tự: có người đã sửa",
        "the manifest is not in order: somebody rearranged it",
    ),
    "form": (
        "bản kê không đúng dạng như khi được viết",
        "the manifest is not written as the workbench writes it",
    ),
    "signature": (
        "chữ ký không đúng với bản kê: bản kê hoặc chữ ký đã bị thay đổi",
        "the signature is not the manifest's: one of them was altered",
    ),
    "foreign": (
        "gói được ký bằng khóa {key}, không phải khóa đã cho",
        "the bundle is signed with key {key}, which is not the one given",
    ),
    "log": (
        "mục {seq} của nhật ký đã bị sửa, chèn, bỏ hoặc đổi chỗ",
        "entry {seq} of the log was altered, put in, dropped or moved",
    ),
    "head": (
        "nhật ký không kết thúc ở mục mà bản kê ghi",
        "the log does not end at the entry that the manifest names",
    ),
    "underived": (
        "{name} không được làm từ tệp gốc như derived.json nêu",
        "{name} is not made of its original as derived.json says",
    ),
    "unread": ("không đọc được {name}: {why}", "{name} cannot be read: {why}"),
}
"""Each finding in Vietnamese and English."""


class NoBundleError(Exception):
    """What was given is no bundle at all."""


class Finding:
    """One thing that is wrong: a key of :data:`SAYS` and what it is about."""

    def __init__(self, what: str, **facts: object) -> None:
        self.what, self.facts = what, facts

    def sentence(self, language: str = "vi") -> str:
        """Return it in words, Vietnamese or English."""
        # a name in a bundle may hold anything, an escape for a terminal too
        shown = {key: _plain(str(value)) for key, value in self.facts.items()}
        return SAYS[self.what][language != "vi"].format(**shown)


class _Zip:
    def __init__(self, path: str) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, ValueError) as error:
            raise NoBundleError(str(error)) from error
        self.found = [one for one in self._zip.infolist() if not one.is_dir()]
        self.names = [one.filename for one in self.found]

    def oddities(self) -> Iterator[Finding]:
        """Return what no zip of the workbench has."""
        for one in self.found:
            if stat.S_ISLNK(one.external_attr >> 16):
                yield Finding("link", name=one.filename)
        for name in sorted({name for name in self.names if self.names.count(name) > 1}):
            yield Finding("twice", name=name)

    def open(self, name: str) -> IO[bytes]:
        return self._zip.open(name)


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._links: list[str] = []
        self.names: list[str] = []
        for one in path.rglob("*"):
            name = one.relative_to(path).as_posix()
            if one.is_symlink():
                self._links.append(name)
            elif not one.is_dir():
                self.names.append(name)

    def oddities(self) -> Iterator[Finding]:
        for name in sorted(self._links):
            yield Finding("link", name=name)

    def open(self, name: str) -> IO[bytes]:
        return (self._path / name).open("rb")


def check(path: str, key: str = "") -> tuple[list[Finding], dict[str, Any]]:
    """Return what is wrong with a bundle, a zip or the folder made of it, and its manifest.

    Parameters
    ----------
    key
        The public key it must be signed with, hexadecimal; empty: whichever it names.

    Raises
    ------
    NoBundleError
        When there is no manifest to compare anything with.
    """
    place = Path(path)
    if not place.exists():
        raise NoBundleError(f"{path} is not there")
    box: Any = _Folder(place) if place.is_dir() else _Zip(path)
    text = _whole(box, MANIFEST)
    manifest = _manifest(text)
    found = list(box.oddities())
    if canonical(manifest) != text:
        found.append(Finding("form"))
    signer = str(manifest["key"])
    if key and key.lower() != signer:
        found.append(Finding("foreign", key=signer))
    try:
        signature = bytes.fromhex(_whole(box, SIGNATURE).decode("ascii").strip())
    except (NoBundleError, ValueError):
        signature = b""
    if not signed(text, signature, signer):
        found.append(Finding("signature"))
    found += _files(box, manifest["files"])
    found += _log(box, manifest)
    found += _derived(box, [str(one["path"]) for one in manifest["files"]])
    return found, manifest


def canonical(facts: object) -> bytes:
    """Return facts as the bytes that are hashed and signed: keys sorted, no blanks, ASCII."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _whole(box: Any, name: str) -> bytes:
    try:
        with box.open(name) as file:
            text: bytes = file.read(LARGEST_MANIFEST + 1)
    except _BROKEN as error:
        raise NoBundleError(f"{name}: {error}") from error
    if len(text) > LARGEST_MANIFEST:
        raise NoBundleError(f"{name} is too large")
    return text


def _manifest(text: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(text)
        if manifest["format"] != FORMAT:
            raise NoBundleError(f"it is of format {manifest['format']}, and this reads {FORMAT}")
        for one in manifest["files"]:
            if not isinstance(one["bytes"], int):
                raise TypeError(one)
            str(one["path"]), str(one["sha256"])
        _ = manifest["key"], manifest["log"]["seq"], manifest["log"]["sha256"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NoBundleError(f"{MANIFEST} says nothing of files: {error}") from error
    assert isinstance(manifest, dict)
    return manifest


def _files(box: Any, listed: list[dict[str, Any]]) -> Iterator[Finding]:
    paths = [str(one["path"]) for one in listed]
    if paths != sorted(set(paths)):
        yield Finding("order")
    for name in sorted({*box.names, *paths}):
        if not allowed(name):
            yield Finding("name", name=name)
    present = set(box.names)
    for name in sorted(present - set(paths) - set(APART)):
        yield Finding("added", name=name)
    for one in listed:
        name = str(one["path"])
        if name not in present:
            yield Finding("missing", name=name)
        elif allowed(name):
            yield from _file(box, name, one)


def allowed(name: str) -> bool:
    """Return whether a name stays inside the bundle on every system."""
    parts = name.split("/")
    return (
        bool(name)
        and "\\" not in name
        and ":" not in name
        and all(part not in ("", ".", "..") for part in parts)
        and name.isprintable()
    )


def _file(box: Any, name: str, listed: dict[str, Any]) -> Iterator[Finding]:
    digest, size = hashlib.sha256(), 0
    try:
        with box.open(name) as file:
            # no more than the manifest says: a zip can promise to unpack for ever
            while chunk := file.read(1 << 20):
                size += len(chunk)
                digest.update(chunk)
                if size > listed["bytes"]:
                    break
    except _BROKEN as error:
        yield Finding("unread", name=name, why=error)
        return
    if size != listed["bytes"]:
        more = f"> {listed['bytes']}" if size > listed["bytes"] else size
        yield Finding("size", name=name, size=more, listed=listed["bytes"])
    elif digest.hexdigest() != listed["sha256"]:
        yield Finding("altered", name=name)


def _log(box: Any, manifest: dict[str, Any]) -> Iterator[Finding]:
    """Walk the log: acts of the case in full, those of others as hashes."""
    try:
        entries = json.loads(_whole(box, "log.json"))
        last: dict[str, Any] = {"seq": 0, "sha256": GENESIS}
        for entry in entries:
            told = dict(entry)
            sha256 = told.pop("sha256")
            whole = len(told) > 2
            follows = told["seq"] == last["seq"] + 1 and told["prev_sha256"] == last["sha256"]
            if not follows or (whole and hashlib.sha256(canonical(told)).hexdigest() != sha256):
                yield Finding("log", seq=told["seq"])
            last = entry
    except (NoBundleError, *_NO_LOG) as error:
        yield Finding("unread", name="log.json", why=error)
        return
    if (last["seq"], last["sha256"]) != (manifest["log"]["seq"], manifest["log"]["sha256"]):
        yield Finding("head")


def _derived(box: Any, listed: list[str]) -> Iterator[Finding]:
    """Compare clips and cuts with what is said of how they were made.

    Of an exact cut each packet's bytes are looked up, in the cut and, where it is here, in the
    original. A clip was encoded again: that it names an original of this bundle is all there is.
    """
    made: list[dict[str, Any]] = []
    sources: set[str] = set()
    try:
        if DERIVED in listed:
            made = json.loads(_whole(box, DERIVED))
            sources = {str(one["sha256"]) for one in json.loads(_whole(box, "originals.json"))}
        told = {str(one["path"]) for one in made}
        for name in sorted(one for one in listed if one.startswith(("clips/", "cuts/"))):
            if name not in told:
                yield Finding("underived", name=name)
        for one in made:
            name = str(one["path"])
            sha256, first, last = str(one["source_sha256"]), one["first_pts"], one["last_pts"]
            whole = name in listed and sha256 in sources and int(first) <= int(last)
            if whole and name.startswith("cuts/"):
                original = next((o for o in listed if o.startswith(f"originals/{sha256}.")), "")
                whole = bool(one["packets"])
                whole = whole and _holds(box, name, one["packets"], 3)
                whole = whole and (not original or _holds(box, original, one["packets"], 4))
            if not whole:
                yield Finding("underived", name=name)
    except (NoBundleError, *_BROKEN, TypeError, AttributeError, IndexError) as error:
        yield Finding("unread", name=DERIVED, why=error)


def _holds(box: Any, name: str, packets: list[list[Any]], place: int) -> bool:
    """Return whether the bytes of each packet lie in a file where they are said to; -1: unsaid."""
    with box.open(name) as file:
        for packet in packets:
            at, size, sha256 = int(packet[place]), int(packet[1]), str(packet[2])
            if at < 0:
                continue
            file.seek(at)
            if hashlib.sha256(file.read(size)).hexdigest() != sha256:
                return False
    return True


# -- Ed25519, RFC 8032: checking alone, so that time may depend on what is checked -----------------

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
_Point = tuple[int, int, int, int]
"""x, y, z and x * y / z."""


def _recovered(y: int, odd: int) -> int | None:
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P or (x == 0 and odd):
        return None
    return _P - x if x & 1 != odd else x


def _decoded(data: bytes) -> _Point | None:
    number = int.from_bytes(data, "little")
    y, odd = number & ((1 << 255) - 1), number >> 255
    x = _recovered(y, odd)
    return None if x is None else (x, y, 1, x * y % _P)


def _added(one: _Point, other: _Point) -> _Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _times(scalar: int, point: _Point) -> _Point:
    found: _Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            found = _added(found, point)
        point, scalar = _added(point, point), scalar >> 1
    return found


_BASE_Y = 4 * pow(5, _P - 2, _P) % _P
_BASE_X = _recovered(_BASE_Y, 0) or 0
_BASE: _Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)


def signed(text: bytes, signature: bytes, key: str) -> bool:
    """Return whether a signature is that of `text` under a public key, hexadecimal."""
    try:
        public = bytes.fromhex(key)
    except ValueError:
        return False
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r = _decoded(public), _decoded(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= _L:
        return False
    # a key of small order signs anything: it is nobody's
    if _same(_times(8, a), (0, 1, 1, 0)):
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + text).digest(), "little") % _L
    return _same(_times(s, _BASE), _added(r, _times(k, a)))


def _same(one: _Point, other: _Point) -> bool:
    return (one[0] * other[2] - other[0] * one[2]) % _P == 0 and (
        one[1] * other[2] - other[1] * one[2]
    ) % _P == 0


def _plain(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:300]


def main() -> int:
    """Run as a program; return the exit status."""
    reader = argparse.ArgumentParser(description="Kiểm tra gói chứng cứ. Check an evidence bundle.")
    reader.add_argument("bundle", nargs="?", default=str(Path(__file__).parent))
    reader.add_argument("--key", default="", help="64 hexadecimal digits, as the receipt has them")
    reader.add_argument("--english", action="store_true")
    asked = reader.parse_args()
    language = "en" if asked.english else "vi"
    try:
        found, manifest = check(asked.bundle, asked.key)
    except NoBundleError as error:
        sys.stderr.write(Finding("no bundle", why=error).sentence(language) + "\n")
        return 2
    for one in found:
        sys.stderr.write(one.sentence(language) + "\n")
    count, key = len(manifest["files"]), _plain(str(manifest["key"]))
    if found:
        said = {"vi": f"{len(found)} điều không đúng", "en": f"{len(found)} findings"}
    else:
        said = {
            "vi": f"{count} tệp nguyên vẹn; ký bằng khóa {key}",
            "en": f"{count} files are whole; signed with key {key}",
        }
        if not asked.key:
            said["vi"] += ": hãy so khóa này với biên nhận"
            said["en"] += ": compare it with the receipt"
    sys.stdout.write(said[language] + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
