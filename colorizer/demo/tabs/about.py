"""The tab *About*: limits, what happens to pictures, and the API."""

import gradio as gr

LIMITS = """
### Limits

- The colors are plausible guesses, not a record of what was there.
- Many colors are right for one gray. The network answers with something like their mean, which is muted.
- Color comes at the resolution of a thumbnail: it is soft, and small things take the color of what surrounds them.
- The models learned from thumbnails: animals and vehicles (CIFAR-10), and the U-Net also 200 kinds of things (Tiny
  ImageNet). The further a picture is from those, the less they know.

### Privacy

The files that you bring, and the results, are on the server that runs this demo. They are deleted after at most an
hour, and when the server starts. So that clicks are answered at once, the server's memory holds a reduced copy of your
image, for at most an hour after the last change. Nothing is sent elsewhere, by the server or by this page.
"""
API = """
### Use it from code

With Python (`pip install gradio_client`):

```py
from gradio_client import Client, handle_file

client = Client("http://127.0.0.1:7860")
photo = handle_file("samples/photos/cat.jpg")
png = client.predict(photo, vividness=0.5, api_name="/colorize")
green = client.predict(photo, hints=[[225, 60, "#3a6b35"]], reach=0.3, api_name="/colorize")  # Column, row, color.
several = client.predict(photo, count=3, seed=0, api_name="/versions")

files = [handle_file("samples/photos/cat.jpg"), handle_file("samples/photos/rocket.jpg")]
archive, report = client.predict(files, api_name="/colorize_batch")
```

The results are files on your machine: PNG, and a ZIP archive. With curl:

```sh
api=http://127.0.0.1:7860/gradio_api
file=$(curl -s -F files=@samples/photos/cat.jpg $api/upload | cut -d '"' -f 2)
event=$(curl -s $api/call/colorize -H "Content-Type: application/json" \\
    -d '{"data": [{"path": "'"$file"'", "meta": {"_type": "gradio.FileData"}}, "unet", 0.5, null, [], 0.5, true]}' \\
    | cut -d '"' -f 4)
curl -s $api/call/colorize/$event | grep -o 'http[^"]*' | head -n 1 | xargs curl -s -o cat-color.png
```

In place of `http://127.0.0.1:7860` stands the address of this page. The limits are those of the page, and
files are sent: of an address on the web nothing is fetched.
"""


def build() -> None:
    """Build the tab inside the current `gradio.Blocks`."""
    gr.Markdown(LIMITS + API, elem_id="about-text")
