"""The networks of the classifier registry."""
