"""Errors of search, by whose fault they are; engines translate every foreign error into one of these."""


class SearchError(Exception):
    """Search could not do its work; the message says what to do."""


class IndexCorrupt(SearchError):
    """The files on disk are not a whole index of this version. The remedy is to clear it and feed it again."""


class IndexUnwritable(SearchError):
    """The folder cannot be written: full disk, read-only, or held by another process. Nothing was half done."""


class EngineUnavailable(SearchError):
    """The engine that was asked for cannot run on this machine."""
