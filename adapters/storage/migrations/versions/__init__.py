"""One module a schema version: `rNNNN_what.py`. They say their tables in full, so that later
changes of `adapters.storage.schema` do not change the past.
"""
