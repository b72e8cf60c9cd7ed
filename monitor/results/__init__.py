"""Records the results of an analysis.

recorder    runs an analysis and records its results;  rollover  records a long stream in parts
report      the result of a whole source;  report_content  the content of report.json (report.schema.json)
formats     registry of the report's file formats
timeline    the scored samples, timeline.csv
key_frames  the strongest moments of each face
result_folder   a results folder, published atomically
watch       iterator over the events of a stream
"""
