"""The evidence bundle: a manifest of what is in it, its signature, and what others can read of it.

Pure, but for the keys: those are made and read as PEM by `cryptography`. What checks a bundle is
:mod:`workbench.cases.verifier`, which needs none of this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from workbench.cases import verifier
from workbench.errors import N_, Damaged
from workbench.records import AuditEntry, Case
from workbench.timeline import format_utc

VERIFIER = Path(verifier.__file__)
CRATE = "ro-crate-metadata.json"


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a bundle: path inside it, bytes, SHA-256, what it is, and what it was made of."""

    path: str
    bytes: int
    sha256: str
    what: str
    made_of: str = ""


def item(path: str, data: bytes, what: str, made_of: str = "") -> Item:
    """Return what the manifest says of some bytes."""
    return Item(path, len(data), hashlib.sha256(data).hexdigest(), what, made_of)


def manifest(
    case: Case,
    items: Sequence[Item],
    *,
    made_at_ns: int,
    made_by: str,
    reason: str,
    head: AuditEntry,
    key: str,
) -> bytes:
    """Return the manifest of a bundle: canonical JSON, files by path.

    Parameters
    ----------
    head
        The newest entry of the log as the bundle holds it.
    key
        The public key it will be signed with, hexadecimal.
    """
    return verifier.canonical(
        {
            "format": verifier.FORMAT,
            "case": case.case_id,
            "legal_basis": case.legal_basis,
            "training": case.training,
            "made_at": format_utc(made_at_ns),
            "made_by": made_by,
            "reason": reason,
            "key": key,
            "log": {"seq": head.seq, "sha256": head.sha256},
            "files": [asdict(one) for one in sorted(items, key=lambda one: one.path)],
        }
    )


def log_of(entries: Sequence[AuditEntry], case_id: str) -> list[Mapping[str, object]]:
    """Return the log as a bundle tells it: this case's acts in full, of all others the hashes.

    So the chain can be walked from its first entry to its last, and nothing of another case shows.
    """
    return [
        asdict(entry)
        if entry.case_id == case_id
        else {"seq": entry.seq, "prev_sha256": entry.prev_sha256, "sha256": entry.sha256}
        for entry in entries
    ]


def crate(case: Case, items: Sequence[Item], *, made_at_ns: int, made_by: str) -> dict[str, object]:
    """Return a description of a bundle as RO-Crate 1.1 has it, for programs that read those."""
    files = [
        {
            "@id": one.path,
            "@type": "File",
            "name": one.what,
            "contentSize": str(one.bytes),
            "sha256": one.sha256,
            **({"isBasedOn": one.made_of} if one.made_of else {}),
        }
        for one in items
    ]
    return {
        "@context": "https://w3id.org/ro/crate/1.1/context",
        "@graph": [
            {
                "@id": CRATE,
                "@type": "CreativeWork",
                "about": {"@id": "./"},
                "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            },
            {
                "@id": "./",
                "@type": "Dataset",
                "name": f"{case.case_id} {case.title}",
                "description": case.reason,
                "datePublished": format_utc(made_at_ns),
                "author": {"@id": "#maker"},
                "license": case.legal_basis,
                "hasPart": [{"@id": one["@id"]} for one in files],
            },
            {"@id": "#maker", "@type": "Person", "name": made_by},
            *files,
        ],
    }


def new_key() -> bytes:
    """Return a new private key, PEM; to be kept for its owner alone."""
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def public_key(pem: bytes) -> str:
    """Return the public key of a private one, hexadecimal; Damaged where it is none."""
    return _loaded(pem).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def sign(text: bytes, pem: bytes) -> str:
    """Return the signature of some bytes, hexadecimal."""
    return _loaded(pem).sign(text).hex()


def _loaded(pem: bytes) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise Damaged(
            N_("the key that signs bundles cannot be read"),
            N_("bring it back from a backup; or remove it, and a new one is made and logged"),
            where="signing.key",
        )
    return key
