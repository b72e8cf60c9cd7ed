"""Keeps the results of an analysis.

recorder    an open source to its results
report      report.json (report.schema.json);  records  its parts as JSON
timeline    timeline.csv
key_frames  the strongest moments of each face
result_folder   a folder that appears whole, or not at all
"""
