"""The object store: one bucket or folder, content-addressed under `region/tenant/`.

    <region>/<tenant id>/<first two digits>/<SHA-256>                  bytes, named by their hash
    <region>/<tenant id>/staging/<id>                                  a large upload until its hash is known
    <region>/<tenant id>/ledger/checkpoints/<size, 16 digits>.note     copies of checkpoints, with `.sig` beside

`OBJECT_STORE_URL` is `file:folder`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`; what the
store's client needs besides stands in the query (`?endpoint=…&region=…`) or in the client's usual variables.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store

from apps.core import conf
from apps.core.ids import new_id
from apps.vault.errors import ObjectCorrupt, ObjectMissing, StoreUnavailable

IN_MEMORY_BYTES = 8 * 1024 * 1024
"""Up to here an upload waits in memory for its hash; beyond, it goes to the staging key part by part."""
CHUNK_BYTES = 1024 * 1024
PARTS_UNDER_WAY = 2
"""Parts of one upload that may be on their way to the store at once."""
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_KINDS = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
_NOTE = re.compile(r".*/(\d{16})\.note")


def prefix(region: str, tenant_id: UUID) -> str:
    """Return where a tenant's objects of a region lie. Raises ValueError for a region that is no plain word."""
    if not _REGION.fullmatch(region):
        raise ValueError(f"{region!r} is no region")
    return f"{region}/{tenant_id}"


def content_key(region: str, tenant_id: UUID, sha256: str) -> str:
    """Return the key of bytes with that hash."""
    return f"{prefix(region, tenant_id)}/{sha256[:2]}/{sha256}"


@dataclass(frozen=True, slots=True)
class Staged:
    """An upload whose hash is known: still in memory, or under a staging key."""

    sha256: str
    size_bytes: int
    data: bytes | None
    staging_key: str = ""


def connect(url: str) -> ObjectStore:
    """Return the client of the store at `url`. Raises StoreUnavailable when the address makes no sense."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "file":
            folder = Path(unquote(f"{parts.netloc}{parts.path}")).absolute()
            return LocalStore(prefix=folder, mkdir=True)
        kind: Any = _KINDS.get(parts.scheme)
        if kind is None:
            raise StoreUnavailable(f"object store of kind {parts.scheme!r}: use file:, s3:, gs: or az:")
        options = dict(parse_qsl(parts.query))
        plain_http = options.get("endpoint", "").startswith("http://")
        opened: ObjectStore = kind.from_url(
            parts._replace(query="").geturl(), config=options, client_options={"allow_http": plain_http}
        )
        return opened
    except (BaseError, OSError) as error:
        raise StoreUnavailable(f"the object store cannot be opened: {type(error).__name__}") from error


@contextmanager
def _answers(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ObjectMissing("the object is not in the store") from None
    except (BaseError, OSError) as error:
        raise StoreUnavailable(f"the object store failed: {type(error).__name__}", key=key) from error


class Store:
    """The bytes of all tenants; what may lie where is decided above."""

    def __init__(self, client: ObjectStore) -> None:
        self._client = client

    def stage(self, region: str, tenant_id: UUID, chunks: Iterable[bytes]) -> Staged:
        """Take an upload in, hashing it on the way; memory stays bounded. Raises StoreUnavailable."""
        digest, size, waiting = hashlib.sha256(), 0, bytearray()
        stream = iter(chunks)
        for chunk in stream:
            digest.update(chunk)
            size += len(chunk)
            waiting += chunk
            if size > IN_MEMORY_BYTES:
                break
        else:
            return Staged(digest.hexdigest(), size, bytes(waiting))
        key = f"{prefix(region, tenant_id)}/staging/{new_id()}"
        with _answers(key):
            writer = obstore.open_writer(
                self._client, key, buffer_size=IN_MEMORY_BYTES, max_concurrency=PARTS_UNDER_WAY
            )
            writer.write(bytes(waiting))
        try:
            for chunk in stream:
                digest.update(chunk)
                size += len(chunk)
                with _answers(key):
                    writer.write(chunk)
            with _answers(key):
                writer.close()
        except BaseException:
            if not writer.closed():
                writer.close()
            self.delete(key)
            raise
        return Staged(digest.hexdigest(), size, None, key)

    def place(self, staged: Staged, key: str) -> None:
        """Give a staged upload its final key. Raises StoreUnavailable."""
        with _answers(key):
            if staged.data is not None:
                obstore.put(self._client, key, staged.data)
            else:
                obstore.rename(self._client, staged.staging_key, key)

    def discard(self, staged: Staged) -> None:
        """Drop a staged upload that is not needed."""
        if staged.staging_key:
            self.delete(staged.staging_key)

    def size(self, key: str) -> int | None:
        """Return the size in bytes of what lies under `key`, or None."""
        try:
            with _answers(key):
                return int(obstore.head(self._client, key)["size"])
        except ObjectMissing:
            return None

    def stream(self, key: str, sha256: str) -> Iterator[bytes]:
        """Yield the bytes under `key` in parts of about 1 MiB.

        Raises ObjectMissing, StoreUnavailable, and ObjectCorrupt after the last part when the whole is not what
        its hash says: a reader that must not pass on a wrong byte waits for the end.
        """
        digest = hashlib.sha256()
        with _answers(key):
            for part in obstore.get(self._client, key).stream(min_chunk_size=CHUNK_BYTES):
                data = bytes(part)
                digest.update(data)
                yield data
        if digest.hexdigest() != sha256:
            raise ObjectCorrupt(f"the object {sha256[:12]}… holds other bytes than its name says")

    def read(self, key: str) -> bytes:
        """Return all bytes under `key`, unchecked. Raises ObjectMissing, StoreUnavailable."""
        with _answers(key):
            return bytes(obstore.get(self._client, key).bytes())

    def delete(self, key: str) -> None:
        """Remove what lies under `key`; nothing there is fine."""
        try:
            with _answers(key):
                obstore.delete(self._client, key)
        except ObjectMissing:
            return

    def _create(self, key: str, data: bytes) -> None:
        with _answers(key):
            try:
                obstore.put(self._client, key, data, mode="create")
            except AlreadyExistsError:
                if bytes(obstore.get(self._client, key).bytes()) != data:
                    raise ObjectCorrupt(f"{key} is there already with other content") from None

    def copy_checkpoint(self, region: str, tenant_id: UUID, size: int, note: bytes, signature: bytes) -> None:
        """Put a checkpoint beside the database, once. Raises ObjectCorrupt when another one is there."""
        key = f"{prefix(region, tenant_id)}/ledger/checkpoints/{size:016d}"
        self._create(f"{key}.sig", signature)
        self._create(f"{key}.note", note)

    def checkpoint_copies(self, region: str, tenant_id: UUID, *, newest: int) -> list[tuple[int, bytes, bytes]]:
        """Return (size, note, signature) of the newest copies, smallest first; a missing signature is empty."""
        folder = f"{prefix(region, tenant_id)}/ledger/checkpoints"
        with _answers(folder):
            names = [meta["path"] for batch in obstore.list(self._client, folder) for meta in batch]
        found = []
        for name in sorted(name for name in names if _NOTE.fullmatch(name))[-newest:]:
            signature_key = name.removesuffix(".note") + ".sig"
            signature = self.read(signature_key) if signature_key in names else b""
            found.append((int(name[-21:-5]), self.read(name), signature))
        return found


@cache
def default() -> Store:
    """Return the store that `OBJECT_STORE_URL` names."""
    return Store(connect(conf.get()["OBJECT_STORE_URL"]))
