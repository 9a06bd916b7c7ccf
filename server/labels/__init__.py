"""The label log: its row, how rows are appended, and how they are pulled."""
