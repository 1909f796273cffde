"""What schemathesis cannot make up: a key of its own for each valid request, and the payment provider's signature.

Also counts what each operation answered, for the summary.
"""

import atexit
import base64
import hashlib
import hmac
import json
import os
import time
import uuid
from collections import Counter, defaultdict

import schemathesis

SECRET = os.environ["WEBHOOK_SECRET"].encode()


def is_valid(case) -> bool:
    """Whether the whole request is meant to be valid; a request that was broken on purpose is left as it is."""
    return case.meta is not None and case.meta.generation.mode.is_positive


@schemathesis.hook
def before_call(context, case, kwargs) -> None:
    if not is_valid(case):
        return
    names = {parameter.name for parameter in case.operation.headers}
    if "Idempotency-Key" in names and "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if case.operation.path.endswith("/webhook") and isinstance(case.body, dict):
        sign(case)


def sign(case) -> None:
    """Signs the very bytes that will be sent."""
    body = json.dumps(case.body, allow_nan=False)
    message_id, timestamp = f"msg_{uuid.uuid4()}", str(int(time.time()))
    digest = hmac.new(SECRET, f"{message_id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    case.headers["webhook-id"] = message_id
    case.headers["webhook-timestamp"] = timestamp
    case.headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"


answers = defaultdict(Counter)


@schemathesis.hook
def after_call(context, case, response) -> None:
    if case.method.upper() == case.operation.method.upper():
        answers[case.operation.label][response.status_code] += 1


@atexit.register
def write() -> None:
    with open(os.environ["ANSWERS"], "w", encoding="utf-8") as file:
        json.dump(answers, file)
