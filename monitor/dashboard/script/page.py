"""The Streamlit script of an installed package, where ``streamlit_app.py`` is missing."""

from monitor.dashboard.pages import show

show()
