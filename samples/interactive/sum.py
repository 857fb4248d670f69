"""An interactive job in Python: has the numbers in its parameters squared by other quests, and finishes with the sum.

It needs Python 3.8 or newer, and nothing but its standard library. What each call means: docs/interactive-jobs.md.
"""

import http.client
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request

EXECUTION_URL = os.environ["EXECUTION_URL"]
ACTIVATION_TOKEN = os.environ["ACTIVATION_TOKEN"]
TRIES = 8


def main() -> None:
    parameters = json.load(sys.stdin)
    # 32 random bytes of our own choice. Whoever activates first has the execution to himself.
    token = secrets.token_urlsafe(32)
    activated = call("activate", ACTIVATION_TOKEN, {"executionToken": token})

    # What the last execution has left; absent the first time.
    state = activated.get("previousState", {"runs": 0})
    state["runs"] += 1
    if "needs" in state:
        # Known quests can be named by their ids.
        request = {"rawAttempts": {quest: [1] for quest in state["needs"]}}
    else:
        request = {"quests": [{"desc": square(number)} for number in parameters["numbers"]]}
    answer = call("ensureGraphData", token, request)
    state.setdefault("needs", answer["questIds"])

    if answer["shouldHalt"]:
        # What this execution leaves on stdout is the state of the next one.
        json.dump(state, sys.stdout)
        return
    quests = answer["graph"]["quests"]
    total = sum(value_of(quests[quest]["attempts"]["1"]) for quest in state["needs"])
    call("finish", token, {"data": {"sum": total, "runs": state["runs"]}})


def square(number: int) -> dict:
    script = 'echo "{\\"value\\": $((N * N))}"'
    return {
        "distributorConfigName": "shell",
        "distributorParameters": {"command": ["sh", "-c", script], "env": {"N": str(number)}},
    }


def value_of(attempt: dict) -> int:
    result = attempt["result"]
    if "abnormalFinish" in result:
        sys.exit(f"quest {attempt['quest']} has no result: {result['abnormalFinish']}")
    return result["data"]["value"]


def call(method: str, token: str, body: dict) -> dict:
    """Repeats the call until it is answered, since its effect is the same however often it arrives."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{EXECUTION_URL}:{method}", json.dumps(body).encode(), headers)
    for tries in range(1, TRIES + 1):
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            problem = error.read().decode()
            if error.code < 500 and error.code not in (408, 429):
                break
        except (OSError, http.client.HTTPException) as error:
            problem = str(error)
        if tries < TRIES:
            time.sleep(min(2 ** (tries - 1), 30))
    sys.exit(f"{method}: {problem}")


main()
