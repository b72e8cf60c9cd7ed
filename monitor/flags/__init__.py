"""Keeps the moments that somebody flagged.

recorder   builds the flags of one stream;  from_analysis  those of an analysed file
archive    all flags of one folder: database (tables, queries, history), files, clips/
retention  how long, and how much of, each class of flags is kept
bundle     flags as one file that can be verified: export_files, export_document, pdf, redaction
"""
