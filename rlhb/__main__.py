"""Entry of the `rlhb` command: pin the threads, then load the rest, and turn every foreseen fault into one sentence."""

import sys
import warnings


def main() -> None:
    """Run the command line; exit status 0, 1 (failure) or 2 (usage)."""
    # BrainFlow imports pkg_resources, which says on every import that it will go; pyproject.toml keeps a setuptools that has it.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    from rlhb.environment import EnvironmentMisfitError, check_rooms, pin_threads

    try:
        pin_threads()
        check_rooms()
    except EnvironmentMisfitError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error
    from rlhb.cli import run

    run()


if __name__ == "__main__":
    main()
