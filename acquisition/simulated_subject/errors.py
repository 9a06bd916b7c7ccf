"""Errors of the simulated subject.

* `AcquisitionError`

  * `SubjectError`

    * `SubjectKeyError`: an item file is missing or a line of it is wrong.
    * `SubjectProfileError`: the profile asks for something this subject does not have.
"""

from acquisition.board import AcquisitionError


class SubjectError(AcquisitionError):
    """Root of this folder's errors; the message holds the value, the limit and the remedy."""


class SubjectKeyError(SubjectError):
    """An item file is missing, or a line of it is wrong."""


class SubjectProfileError(SubjectError):
    """The profile asks for an electrode or a reference that the simulated head does not have."""
