"""Asks the installed Google Cloud SDK itself, offline, what it thinks of gcloud lines.

stdin:  {"lines": [["run", "deploy", ...], ...], "formats": [{"format": "value(name)", "resources": [...]}, ...]}
stdout: {"errors": [null or what the parser says, ...], "printed": [what gcloud prints with that format, ...]}
argv:   the root of the SDK
"""

import io
import json
import os
import sys

LIB = os.path.join(sys.argv[1], "lib")
sys.path[:0] = [LIB, os.path.join(LIB, "third_party")]
os.environ["CLOUDSDK_CORE_DISABLE_PROMPTS"] = "1"

from googlecloudsdk import gcloud_main  # noqa: E402
from googlecloudsdk.core import log  # noqa: E402
from googlecloudsdk.core.resource import resource_printer  # noqa: E402

SAID = io.StringIO()
log.Reset(io.StringIO(), SAID)
TOP = gcloud_main.CreateCLI([])._TopElement()


def load(argv):
    """The parser knows only commands that were loaded."""
    element = TOP
    for word in argv:
        if word.startswith("-") or not hasattr(element, "LoadSubElement"):
            return
        element = element.LoadSubElement(word)
        if element is None:
            return


def error_of(argv):
    SAID.seek(0)
    SAID.truncate()
    try:
        load(argv)
        TOP._parser.parse_args(argv, raise_error=True)
    except SystemExit as exit:
        return SAID.getvalue().strip() or "exit %s" % exit.code
    except Exception as error:
        return str(error) or type(error).__name__
    return None


def printed(format, resources):
    out = io.StringIO()
    resource_printer.Print(resources, format, out=out)
    return out.getvalue()


request = json.load(sys.stdin)
json.dump(
    {
        "errors": [error_of(line) for line in request["lines"]],
        "printed": [printed(each["format"], each["resources"]) for each in request["formats"]],
    },
    sys.stdout,
)
