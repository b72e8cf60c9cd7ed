"""What is kept: reports and annotated videos."""
