"""Errors of the client, one small tree.

- `ClientError`

  - `RefusedError`: the server understood and will not; sending it again changes nothing

    - `GoneError`: a snapshot was withdrawn; `successor` names the one that takes its place

  - `UnreachableError`: no answer for as long as the client was told to try
  - `UnreadableError`: an answer that is none of the contract's
  - `DamagedError`: a file's bytes are not those of the manifest
  - `MissingExtraError`: an optional package is not installed
"""


class ClientError(Exception):
    """Root of the errors of this package; the message says what, where and what to do."""


class RefusedError(ClientError):
    """The server refuses a request.

    Parameters
    ----------
    status : int
        HTTP status.
    detail, remedy : str
        What the server says (RFC 9457).
    """

    def __init__(self, status: int, detail: str, remedy: str) -> None:
        super().__init__(f"The server refuses ({status}): {detail} {remedy}".rstrip())
        self.status = status
        self.detail = detail
        self.remedy = remedy


class GoneError(RefusedError):
    """A snapshot was withdrawn because somebody's data was erased or consent taken back."""

    def __init__(self, detail: str, remedy: str, successor: str | None) -> None:
        super().__init__(410, detail, remedy)
        self.successor = successor


class UnreachableError(ClientError):
    """The server did not answer for too long."""


class UnreadableError(ClientError):
    """What came is not what the contract says."""


class DamagedError(ClientError):
    """A file came with other bytes than its manifest promises."""


class MissingExtraError(ClientError):
    """A package that only some users need is not installed."""
