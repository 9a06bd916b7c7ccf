"""Recordings in the field's formats: `recordings.export.exporting.export_recording`. MNE, edfio and MNE-BIDS are loaded when a format needs them."""
