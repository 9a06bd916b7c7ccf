"""How often somebody may guess: failed sign-ins by account and by address, in bounded memory."""

import math
from collections import OrderedDict

from server.errors import Problem

WINDOW_S = 900.0
PER_ACCOUNT = 10
PER_ADDRESS = 50
MOST_KEYS = 10_000


class TooMany(Problem):
    """Too many failed sign-ins."""

    status = 429


class Attempts:
    """Failed sign-ins of the last quarter of an hour.

    Notes
    -----
    Memory is bounded: beyond `MOST_KEYS` names and addresses the ones that failed longest ago are forgotten. Each server process counts
    for itself.
    """

    def __init__(self) -> None:
        self._failed: OrderedDict[str, list[float]] = OrderedDict()

    def check(self, account: str | None, address: str, now_s: float) -> None:
        """Refuse somebody who failed too often.

        Raises
        ------
        TooMany
            With the seconds to wait.
        """
        for key, most in self._keys(account, address):
            failed = [at for at in self._failed.get(key, []) if now_s - at < WINDOW_S]
            if len(failed) >= most:
                wait_s = math.ceil(WINDOW_S - (now_s - failed[-most]))
                refused = TooMany(f"{len(failed)} sign-ins failed within {WINDOW_S / 60:.0f} minutes.", f"Wait {wait_s} s, then try again.")
                refused.headers = {"Retry-After": str(wait_s)}
                raise refused

    def failed(self, account: str | None, address: str, now_s: float) -> None:
        """Count a failure."""
        for key, most in self._keys(account, address):
            kept = [at for at in self._failed.pop(key, []) if now_s - at < WINDOW_S]
            self._failed[key] = [*kept, now_s][-most:]
        while len(self._failed) > MOST_KEYS:
            self._failed.popitem(last=False)

    def succeeded(self, account: str) -> None:
        """Forget an account's failures; those of the address stay, so that one good account does not buy guesses at others."""
        self._failed.pop(f"account {account}", None)

    @staticmethod
    def _keys(account: str | None, address: str) -> list[tuple[str, int]]:
        keys = [(f"address {address}", PER_ADDRESS)]
        return keys if account is None else [(f"account {account}", PER_ACCOUNT), *keys]
