"""The tab *About*: limits, what happens to pictures, and the API."""

import gradio as gr

LIMITS = """
### Limits

- The colors are plausible guesses, not a record of what was there.
- The same gray can come from many colors. The network predicts something close to their average, which is muted.
- Color is predicted for a thumbnail, so it is soft, and small things take on the color of their surroundings.
- The U-Net was trained on more than 100,000 photographs and thumbnails, the autoencoder on thumbnails of ten kinds of
  animals and vehicles. The less a picture resembles those, the less reliable its colors.

### Privacy

Your files and the results are stored on the server that runs this demo. They are deleted after at most an hour, and
whenever the server starts. To respond quickly, the server also keeps a smaller copy of your photo in memory, for at
most an hour after your last change. Neither the server nor this page sends anything to anyone else.
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

The results are saved on your machine as PNG files and a ZIP archive. With curl:

```sh
api=http://127.0.0.1:7860/gradio_api
file=$(curl -s -F files=@samples/photos/cat.jpg $api/upload | cut -d '"' -f 2)
event=$(curl -s $api/call/colorize -H "Content-Type: application/json" \\
    -d '{"data": [{"path": "'"$file"'", "meta": {"_type": "gradio.FileData"}}, "unet", 0.5, null, [], 0.5, true]}' \\
    | cut -d '"' -f 4)
curl -s $api/call/colorize/$event | grep -o 'http[^"]*' | head -n 1 | xargs curl -s -o cat-color.png
```

Replace `http://127.0.0.1:7860` with the address of this page. *Use via API*, at the bottom of the page, lists all
parameters, with code that already has the address. The same limits apply as on the page. Send files, not links: the
server downloads nothing from the web.
"""


def build() -> None:
    """Build the tab inside the current `gradio.Blocks`."""
    gr.Markdown(LIMITS + API, elem_id="about-text")
