"""Static files with DEBUG off: compressed, and with a hash in their names, after `collectstatic`. Before it, they are
served from the apps under their plain names, so that a page never fails for want of them."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):
    def stored_name(self, name: str) -> str:
        return super().stored_name(name) if self.hashed_files else name
