"""The REST service: an ASGI application over the store and the volume; `docs/api.md` is its page.

app.py            puts it together                    settings.py   its limits
state.py          what every request shares           caller.py     who asks, and what a route demands
routers/          one module for each group of paths  problems.py   our errors as problem+json
middleware/       what holds for every request        cursors.py    pages
contract.py       the OpenAPI document                serving.py    uvicorn, signals
"""
