"""Cursors of `GET /labels`: opaque, bound to one log and one filter."""

import base64
import hashlib
import json
from dataclasses import dataclass

from server.errors import BadRequest

_REMEDY = "Start again without `after`, or with the `seq` of the last row you have; then follow `next_cursor`."


@dataclass(frozen=True, slots=True)
class Cursors:
    """Writes and reads cursors.

    Parameters
    ----------
    log_id : str
        Identity of the label log: a cursor of another server is foreign.
    filter_sha256 : str
        Hash of the filter: a cursor belongs to the filter it was given for.
    """

    log_id: str
    filter_sha256: str

    def write(self, seq: int) -> str:
        """Make the cursor that goes on after `seq`."""
        body = json.dumps({"f": self.filter_sha256[:16], "l": self.log_id, "s": seq}, separators=(",", ":"))
        return base64.urlsafe_b64encode(f"{_check(body)}{body}".encode()).decode().rstrip("=")

    def read(self, after: str, high_watermark: int) -> int:
        """Read a cursor or a plain `seq`.

        Raises
        ------
        BadRequest
            Broken, of another server, of another filter, or beyond the end of the log.
        """
        seq = int(after) if after.isascii() and after.isdigit() and len(after) <= 18 else self._opened(after)
        if seq > high_watermark:
            raise BadRequest(f"`after` names seq {seq}, the log ends at {high_watermark}: it comes from another log.", _REMEDY)
        return seq

    def _opened(self, after: str) -> int:
        try:
            text = base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)).decode("ascii")
            body = text[8:]
            fields = json.loads(body)
            seq, log_id, of_filter = int(fields["s"]), fields["l"], fields["f"]
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise BadRequest("The cursor is broken.", _REMEDY) from error
        if text[:8] != _check(body) or seq < 0:
            raise BadRequest("The cursor is broken.", _REMEDY)
        if log_id != self.log_id:
            raise BadRequest("The cursor comes from another server's label log.", _REMEDY)
        if of_filter != self.filter_sha256[:16]:
            raise BadRequest("The cursor was given for another filter.", "Use each cursor with the filter it came from. " + _REMEDY)
        return seq


def _check(body: str) -> str:
    return hashlib.sha256(f"rlhb cursor {body}".encode()).hexdigest()[:8]
