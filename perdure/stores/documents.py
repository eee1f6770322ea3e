"""The blob store as clean-up sees it: documents by the keys under which a listing has them, whatever their names."""

from perdure.stores.blobs import BlobStore, document_path

__all__ = ["ListedStore"]


class ListedStore(BlobStore):
    """A blob store whose documents can be read without knowing their names."""

    async def document_at(self, identity: str) -> bytes:
        """Content of the document with this last part of its key; BlobMissing, KeyUnknown, WrongKey or Tampered."""
        stored = await self._objects.get(document_path(identity))
        return self._opened("document", stored, identity, f"the document {identity} in {self.where}")[0]
