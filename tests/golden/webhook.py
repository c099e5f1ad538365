"""A delivery of a webhook as a receiver got it, verified by the official library of the Standard Webhooks for Python.

`record` waits for one delivery at a port of loopback, verifies it with each of the secrets that must fit, and writes it to
`tests/golden/webhook.json`. `verify` verifies that file again at the instant that it names, and makes sure that a changed
body is refused. `webhook.mjs` does the same with the library for JavaScript, and a test of the orchestrator signs it anew.

    python3 -m venv v && v/bin/pip install standardwebhooks==1.1.0
    v/bin/python tests/golden/webhook.py record 8099 whsec_NEW… whsec_OLD…
    v/bin/python tests/golden/webhook.py verify
"""

import datetime
import http.server
import json
import pathlib
import sys
import unittest.mock

import standardwebhooks.webhooks
from standardwebhooks import Webhook, WebhookVerificationError

GOLDEN = pathlib.Path(__file__).with_name("webhook.json")
HEADERS = ["webhook-id", "webhook-timestamp", "webhook-signature"]


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        secrets = sys.argv[3:]
        for secret in secrets:
            Webhook(secret).verify(body, dict(self.headers))
        golden = {"secrets": secrets} | {name: self.headers[name] for name in HEADERS} | {"body": body}
        GOLDEN.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")
        self.send_response(204)
        self.end_headers()


def verify():
    golden = json.loads(GOLDEN.read_text())
    then = datetime.datetime.fromtimestamp(int(golden["webhook-timestamp"]), tz=datetime.timezone.utc)
    clock = unittest.mock.Mock(wraps=datetime.datetime)
    clock.now.return_value = then
    headers = {name: golden[name] for name in HEADERS}
    with unittest.mock.patch.object(standardwebhooks.webhooks, "datetime", clock):
        for secret in golden["secrets"]:
            assert Webhook(secret).verify(golden["body"], headers)["type"] == "job.completed"
            try:
                Webhook(secret).verify(golden["body"].replace("completed", "failed"), headers)
            except WebhookVerificationError:
                continue
            sys.exit("a changed body passes")
    print(f"{len(golden['secrets'])} signatures verified")


if __name__ == "__main__":
    if sys.argv[1] == "record":
        http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Receiver).handle_request()
    verify()
