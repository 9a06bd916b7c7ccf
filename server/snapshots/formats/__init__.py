"""The formats: each a row, its JSON Schema (the model), its fixed Arrow schema, and how the rows follow from responses."""

from server.snapshots.formats.form import Form
from server.snapshots.formats.preference import PREFERENCE, UNPAIRED
from server.snapshots.formats.steps import STEPWISE, STEPWISE_BOOL, TREE
from server.snapshots.formats.tokens import TOKEN_REWARDS, VERL
from server.snapshots.request import Format, SnapshotRequest

FORMS: dict[Format, Form] = {
    Format.TRL_PREFERENCE: PREFERENCE,
    Format.TRL_UNPAIRED: UNPAIRED,
    Format.TOKEN_REWARDS: TOKEN_REWARDS,
    Format.VERL: VERL,
    Format.STEPWISE: STEPWISE,
    Format.COTHB_TREE: TREE,
}
"""All but `labels`, whose rows are those of the log."""


def form_of(kind: Format, request: SnapshotRequest) -> Form:
    """Find a format's form; `stepwise` has two kinds of labels."""
    return STEPWISE_BOOL if kind is Format.STEPWISE and request.step_labels == "bool" else FORMS[kind]
