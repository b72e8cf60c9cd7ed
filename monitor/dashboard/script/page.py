"""The script that Streamlit runs for a page where there is no ``streamlit_app.py``: after ``pip install``."""

from monitor.dashboard.pages import show

show()
