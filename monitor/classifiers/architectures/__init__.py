"""The networks that the registry of classifiers offers."""
