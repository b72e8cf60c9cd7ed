"""The script that Streamlit runs for each tab. Beside a folder ``pages``, Streamlit would list that folder's files."""
