"""What Streamlit runs for each tab; not beside ``pages``, which it would take for pages of its own kind."""
