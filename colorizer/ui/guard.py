"""What the server refuses before Gradio sees it."""

from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class RefuseRemoteFiles:
    """Refuse ``/gradio_api/file=https://...``, by which Gradio would fetch any public address for anyone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, marker, target = scope.get("path", "").partition("/file=")
        if marker and "://" in target:
            await PlainTextResponse("only files of this server", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    @classmethod
    def as_middleware(cls) -> Middleware:
        """Wrap for the ``middleware`` argument of a Starlette application."""
        return Middleware(cls)
