"""Parts that the local pages share: the server, its certificate, and the guard of requests.

``outfeed label`` and ``outfeed page`` use them. They need starlette and uvicorn.
"""
