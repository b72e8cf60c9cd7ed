"""The laboratory: data, training, evaluation and comparison of classifiers.

::

    datasets/     published and collected data sets -> Record -> prepared face crops (FaceSet)
    fakes/        real faces -> pseudo-fakes with their masks; degradations; graded perturbations
    training/     an experiment (TOML) -> weights, model card, learning curve
    evaluation/   the shipped pipeline on labelled material -> numbers with intervals, report
    bench/        speed and memory of the shipped pipeline, compared with a naive loop
    experiments/  the TOML files
    mesonet_h5.py  reads the weights of the authors of MesoNet

``prepare -> FaceSet -> pairs -> batches -> weights + card -> evaluate``. Training steps
need only torch, so that they also run where the rest of this program is not installed.
"""
