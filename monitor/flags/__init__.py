"""Stores the flagged moments.

recorder   builds the flags of one stream;  from_analysis  builds the flags of an analysed file
archive    all flags of one folder: database (tables, queries, history), files, clips/
retention  the age limit and the quota of each class of flags
bundle     exports flags as one verifiable file: export_files, export_document, pdf, redaction
"""
