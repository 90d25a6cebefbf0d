"""The use cases over HTTP: `app.make_app` builds the ASGI application, `server` serves it."""
