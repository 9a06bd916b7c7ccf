"""Snapshots: the labels of one moment as files for training, immutable, with splits that never move.

Read in this order: `request` (what is asked for), `selection` (its rows), `splitting`, `evidence` (rows to responses), `formats`,
`projection` (units to tokens), `files`, `building`, `store`.
"""
