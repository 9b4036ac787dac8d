"""The code that *Use via API* shows, ready to run.

Gradio's own code names a file on the web, which the server wouldn't fetch, and the address that the first visitor used.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from gradio.route_utils import get_root_url
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

EXAMPLE = "samples/photos/cat.jpg"
"""The image file in the examples."""

_PATH = "/gradio_api/info"
_FILE = {"path": EXAMPLE, "meta": {"_type": "gradio.FileData"}}


def describe_api(request: Request) -> JSONResponse:
    """Describe the API as Gradio does, with code for the address that the request was sent to."""
    app = request.app
    info = app.get_blocks().get_api_info(all_endpoints="all_endpoints" in request.query_params)
    address = get_root_url(request, route_path=_PATH, root_path=app.root_path)
    for name, endpoint in info["named_endpoints"].items():
        for parameter in endpoint["parameters"]:
            if parameter["component"] == "File":
                parameter["example_input"] = [_FILE] if parameter["type"].get("type") == "array" else _FILE
                parameter["python_type"]["description"] = "A file on your machine."
        endpoint["code_snippets"] = write_snippets(name, endpoint["parameters"], address)
    return JSONResponse(info)


ROUTE = Route(_PATH, describe_api)
"""Takes precedence over Gradio's own route."""


def write_snippets(name: str, parameters: list[Mapping[str, Any]], address: str) -> dict[str, str]:
    """Write code that calls an endpoint, with the default of each parameter that has one.

    Parameters
    ----------
    name : str
        Name of the endpoint, with its slash.
    parameters : list of mapping
        As Gradio describes them: ``parameter_name``, ``parameter_has_default``, ``parameter_default`` and
        ``example_input``.
    address : str
        Address of the demo, without a trailing slash.

    Returns
    -------
    dict of str to str
        Code by ``python``, ``javascript``, ``bash`` and ``cli``; the last has ``{command}`` for the name of the
        command, since the page shows two.
    """
    given = {
        each["parameter_name"]: each["parameter_default" if each["parameter_has_default"] else "example_input"]
        for each in parameters
    }
    keywords = "".join(f"    {key}={_write(value, _write_python)},\n" for key, value in given.items())
    fields = "".join(f"    {key}: {_write(value, json.dumps)},\n" for key, value in given.items())
    arguments = json.dumps(given)
    return {
        "python": (
            "from gradio_client import Client, handle_file\n\n"
            f'client = Client("{address}")\n'
            f'result = client.predict(\n{keywords}    api_name="{name}",\n)\n'
            "print(result)"
        ),
        "javascript": (
            "// For Node.js, in a file that ends in .mjs.\n"
            'import { Client, handle_file } from "@gradio/client";\n\n'
            f'const client = await Client.connect("{address}");\n'
            f'const result = await client.predict("{name}", {{\n{fields}}});\n'
            "console.log(result.data);\n"
            "process.exit();  // The client would stay connected."
        ),
        "bash": (
            f"FILE=$(curl -s -F files=@{EXAMPLE} {address}/gradio_api/upload | cut -d '\"' -f 2)\n\n"
            f'EVENT=$(curl -s {address}/gradio_api/call/v2{name} -H "Content-Type: application/json" \\\n'
            f"""  -d '{arguments.replace(EXAMPLE, "'$FILE'")}' | cut -d '"' -f 4)\n\n"""
            f"curl -s {address}/gradio_api/call{name}/$EVENT"
        ),
        "cli": f"{{command}} predict {address} {name} '{arguments}'",
    }


def _write_python(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _write(value: Any, plain: Callable[[Any], str]) -> str:
    """Write a value as code; ``plain`` writes values that aren't files."""
    if value == _FILE:
        return f'handle_file("{EXAMPLE}")'
    if isinstance(value, list):
        return f"[{', '.join(_write(each, plain) for each in value)}]"
    return plain(value)
