"""Verifies webhooks by the official library: a JSON object a line in, "verified" or the reason a line out."""

import json
import sys

from standardwebhooks import Webhook

for line in sys.stdin:
    asked = json.loads(line)
    try:
        data = Webhook(asked["secret"]).verify(asked["body"], asked["headers"])
        print("verified", data["id"])
    except Exception as error:
        print("refused", type(error).__name__)
