"""Makes a thumbnail: a JPEG comes in as base64, a smaller one goes out.

    {"image": "<base64>", "width": 160}  ->  {"image": "<base64>", "width": 160, "height": 107}

Needs Pillow (Debian: python3-pil), which the Python runtime of this machine provides.
"""
import base64
import io

from PIL import Image

WIDTH_MAX = 4096


def lambda_handler(event, context):
    width = int(event.get("width", 128))
    if not 1 <= width <= WIDTH_MAX:
        raise ValueError(f"width must be 1 to {WIDTH_MAX}, not {width}")
    picture = Image.open(io.BytesIO(base64.b64decode(event["image"])))
    before = picture.size
    picture = picture.convert("RGB")
    picture.thumbnail((width, width * 10))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return {
        "image": base64.b64encode(out.getvalue()).decode(),
        "width": picture.width,
        "height": picture.height,
        "from": f"{before[0]}x{before[1]}",
    }
