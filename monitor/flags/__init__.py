"""Stores the flagged moments.

builder    makes a flag and its first files;  recorder  of a live stream, from_analysis  of an analysed file
archive    all flags of one folder: database (tables, queries, history), clips/
files      of the flags, in a folder or an object store (file_stores/)
clip_check compares the length of a clip with the span that its flag states
retention  the age limit and the quota of each class of flags
bundle     exports flags as one verifiable file: export_files, export_document, pdf, redaction
"""
