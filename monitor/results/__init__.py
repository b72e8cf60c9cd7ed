"""Keeps the results of an analysis.

recorder    an open source to its results
report      what a whole source came to;  report_content  the same as in report.json (report.schema.json)
formats     the files that are made of a report: a registry
timeline    timeline.csv
key_frames  the strongest moments of each face
result_folder   a folder that appears whole, or not at all
"""
