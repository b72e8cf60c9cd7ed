"""Shows the service in a browser.

pages/     Streamlit pages;  script/  the file that Streamlit runs
viewer/, player/, gallery/, webcam/, upload/, keys/, sign_in/
           Streamlit components that run in the browser; components builds them
"""
