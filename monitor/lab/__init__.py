"""The laboratory: measuring the thing that ships."""
