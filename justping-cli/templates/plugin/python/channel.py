"""A channel: receives webhooks and hands messages over."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import channels
from wit_world.imports import http, secrets

GATEWAY = "https://gateway.example.com/messages"


class Channels(exports.Channels):
    def describe(self):
        return channels.Channel("sms", "My gateway", json.dumps({"text_max": 1600}))

    def receive(self, webhook):
        signature = dict(webhook.headers).get("x-signature", "")
        try:
            is_real = secrets.verify_hmac_sha256("webhook_key", webhook.body, bytes.fromhex(signature))
        except ValueError:
            is_real = False
        if not is_real:
            raise Err(channels.Refusal_Unauthorized())
        note = json.loads(webhook.body)
        message = {
            "type": "message",
            "provider_ref": note["id"],
            "from": [{"kind": "sms", "id": note["from"]}],
            "content": {"type": "text", "text": note["text"]},
        }
        return channels.Received([json.dumps(message)], b"")

    def send(self, outbound):
        text = json.loads(outbound.content)["text"]
        token = http.HeaderValue_Secret(http.SecretValue("token", "Bearer "))
        kind = http.HeaderValue_Text("application/json")
        body = {"to": outbound.to, "text": text, "key": outbound.idempotency_key}
        reply = http.send(http.Request(
            http.Method.POST,
            GATEWAY,
            [http.Header("authorization", token), http.Header("content-type", kind)],
            json.dumps(body).encode(),
            4000,
        ))
        if reply.status >= 500:
            raise Err(channels.SendError_Unknown(f"the gateway answered {reply.status}"))
        if reply.status >= 300:
            raise Err(channels.SendError_Rejected(f"the gateway answered {reply.status}"))
        return json.loads(reply.body)["id"]
