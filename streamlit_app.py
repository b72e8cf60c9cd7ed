"""The ASGI app when the server imports this file; the page when Streamlit runs it."""

import streamlit as st

if __name__ == "__main__" and st.runtime.exists():
    from monitor.dashboard.pages import show

    show()
else:
    from monitor.server.app import MIDDLEWARE, ROUTES, lifespan

    app = st.App(__file__, routes=ROUTES, middleware=MIDDLEWARE, lifespan=lifespan)
    if __name__ == "__main__":
        app.run()
