"""What a classifier is worth: the pipeline that ships, run on labelled material, in numbers with intervals.

::

    material        what a person names -> records, or prepared crops, of one split
    videos, crops   these -> Outcome*, through the pipeline or its classifier (watch: a sink that writes down time)
    outcomes        what the program said of one file or crop, beside the truth
    metrics         labels, scores -> AUC, EER, F1, ECE, ...
    bootstrap       the same with 95 % intervals, resampling groups
    timelines       what only a monitor has: false alarms per hour, time to detect, flips
    metrics_summary Outcome* -> all of the above
    report          metrics_summary -> metrics.json, metrics.csv, report.html (page, plots, thumbnails)
    curves          Outcome* -> what a model card shows of them

    grids, robustness, faithfulness, fairness, comparison, speeds   further questions, of the same outcomes and metrics
"""
