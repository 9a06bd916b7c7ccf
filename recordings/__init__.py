"""The recording format: writer, repair, and readers of the field's formats.

Import from the modules: `recordings.writer.LogWriter`, `recordings.log.read_log`, `recordings.log.LogReader`,
`recordings.repair.repair`, `recordings.recording.read_recording`. None of them loads MNE or pyxdf before a foreign file is read.
"""
