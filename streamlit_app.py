"""One file, two roles: imported by the server it is the ASGI app, run by Streamlit it is the page."""

import streamlit as st

if __name__ == "__main__" and st.runtime.exists():
    from monitor.dashboard.pages import show

    show()
else:
    from monitor.server.app import MIDDLEWARE, ROUTES, lifespan

    app = st.App(__file__, routes=ROUTES, middleware=MIDDLEWARE, lifespan=lifespan)
    if __name__ == "__main__":
        app.run()
