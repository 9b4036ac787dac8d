"""The words of the demo's API, each example of which a test runs."""

TEXT = """
### API

What this page does, programs can do too. With Python (`pip install gradio_client`):

```py
from gradio_client import Client, handle_file

client = Client("http://127.0.0.1:7860")
photo = handle_file("samples/photos/cat.jpg")
png = client.predict(photo, model="unet", vividness=0.5, detail=128, api_name="/colorize")

files = [handle_file("samples/photos/cat.jpg"), handle_file("samples/photos/rocket.jpg")]
archive, report = client.predict(files, api_name="/colorize_batch")
```

The results are files on your machine: a PNG, and a ZIP archive with a report. With curl:

```sh
api=http://127.0.0.1:7860/gradio_api
file=$(curl -s -F files=@samples/photos/cat.jpg $api/upload | cut -d '"' -f 2)
event=$(curl -s $api/call/colorize -H "Content-Type: application/json" \\
    -d '{"data": [{"path": "'"$file"'", "meta": {"_type": "gradio.FileData"}}, "unet", 0.5, 128]}' | cut -d '"' -f 4)
curl -s $api/call/colorize/$event | grep -o 'http[^"]*' | head -n 1 | xargs curl -s -o cat-color.png
```

In place of `http://127.0.0.1:7860` stands the address of this page. The limits are those of the page, and
files are sent: of an address on the web nothing is fetched.
"""
