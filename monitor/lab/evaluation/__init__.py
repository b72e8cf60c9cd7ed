"""Evaluation of the shipped pipeline on labelled material: figures with intervals.

::

    material        path -> records, or prepared crops, of one split
    videos, crops   material -> Outcome*, from the pipeline or its classifier (watch: a sink that records times)
    outcomes        result and truth of one file or crop
    metrics         labels, scores -> AUC, EER, F1, ECE, ...
    bootstrap       the same with 95 % intervals, resampling groups
    timelines       figures over time: false alarms per hour, detection delay, flips
    scorecard       Outcome* -> all figures
    report          scorecard -> metrics.json, metrics.csv, report.html (page, plots, thumbnails)
    curves          Outcome* -> the curves on a model card

    grids, robustness, faithfulness, fairness, comparison, speeds   further evaluations with the same metrics
"""
