"""The laboratory: data, training, and measuring the thing that ships."""
