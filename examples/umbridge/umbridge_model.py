"""A model of a UM-Bridge server, asked over its protocol: JSON by HTTP."""

import json
import os
from urllib.error import HTTPError
from urllib.request import Request, urlopen

URL = os.environ["UMBRIDGE_URL"]  # http://127.0.0.1:4242, say
MODEL = "forward"


def ask(path, **body):
    """Return the server's answer; an error is a failed point."""
    request = Request(f"{URL}/{path}", json.dumps({"name": MODEL, "config": {}, **body}).encode())
    request.add_header("Content-Type", "application/json")
    try:
        answer = json.load(urlopen(request))
    except HTTPError as error:  # its body says which error: in JSON, or in words where the model itself raised it
        text = error.read().decode(errors="replace")
        try:
            answer = json.loads(text)
        except ValueError:
            raise RuntimeError(f"{MODEL}: HTTP {error.code}: {text}") from None
    if "error" in answer:
        raise RuntimeError(answer["error"]["message"])
    return answer


def simulate(x: float = 1.0, y: float = 1.0):
    """One input of two numbers, one output of one."""
    return {"value": ask("Evaluate", input=[[x, y]])["output"][0][0]}


sizes = (ask("InputSizes")["inputSizes"], ask("OutputSizes")["outputSizes"])  # once for each process
if sizes != ([2], [1]):
    raise SystemExit(f"{MODEL} at {URL} has other sizes: {sizes}")
