"""Time as the server sees it; handed in wherever it is needed, so that tests may hand in their own."""

import time
from datetime import UTC, datetime


def server_time_s() -> float:
    """Seconds on the server's monotonic clock: what websocket clock pings are answered with."""
    return time.monotonic()


def utc_now() -> str:
    """UTC as the database and the label rows keep it: ISO 8601 with microseconds, so that it sorts as it reads."""
    return as_stored(datetime.now(UTC))


def as_stored(moment: datetime) -> str:
    """Write a moment the way the database keeps it; a moment without a zone is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        aware = aware.astimezone(UTC)
    except OverflowError:  # beyond the year 9999 or before 1 in UTC: the nearest moment there is
        aware = datetime.max.replace(tzinfo=UTC) if aware.year > 1 else datetime.min.replace(tzinfo=UTC)
    return aware.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"  # unlike strftime, four digits of the year
