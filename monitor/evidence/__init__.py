"""What is kept: reports, annotated videos, and flags with their log and their files."""
