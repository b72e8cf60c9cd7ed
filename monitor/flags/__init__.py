"""Keeps the moments that somebody flagged.

builder    makes a flag and its first files:  recorder  of a live stream, from_analysis  of an analysed file
archive    all flags of one folder: database (tables, queries, history), files, clips/
retention  how long, and how much of, each class of flags is kept
bundle     flags as one file that can be verified: export_files, export_document, pdf, redaction
"""
