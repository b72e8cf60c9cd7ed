"""Shows the service to people at a browser.

pages/     Streamlit pages;  script/  the file that Streamlit runs
viewer/, player/, gallery/, webcam/, upload/, keys/, sign_in/
           run in the browser, each a Streamlit component made by components
"""
