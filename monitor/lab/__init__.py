"""The laboratory: where classifiers are made, checked and compared.

::

    datasets/     what others published, or you collected -> Record -> prepared face crops (FaceSet)
    fakes/        real faces -> pseudo-fakes with their masks; degradations; graded perturbations
    training/     an experiment (TOML) -> weights, model card, learning curve
    evaluation/   the shipped pipeline on labelled material -> numbers with intervals, report
    bench/        speed and memory of the shipped pipeline against the straightforward loop
    experiments/  the TOML files

``prepare -> FaceSet -> pairs -> batches -> weights + card -> evaluate``. What a training step needs runs with torch
alone, so that it also runs where the rest of this program is not installed.
"""
