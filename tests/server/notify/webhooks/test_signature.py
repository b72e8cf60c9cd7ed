"""Signatures by Standard Webhooks 1.0.0."""

import base64

from monitor.server.notify.webhooks.signature import make_secret, sign, signed_headers

# The example of the specification's own libraries: standard-webhooks/standard-webhooks, test "sign function works".
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105
ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_signature_is_that_of_the_specification() -> None:
    assert sign(SECRET, message_id=ID, timestamp=TIMESTAMP, body=BODY) == SIGNATURE
    assert sign(SECRET.removeprefix("whsec_"), message_id=ID, timestamp=TIMESTAMP, body=BODY) == SIGNATURE


def test_id_time_and_body_are_signed() -> None:
    right = {"message_id": ID, "timestamp": TIMESTAMP, "body": BODY}
    for change in ({"message_id": "msg_other"}, {"timestamp": TIMESTAMP + 1}, {"body": BODY + b" "}):
        assert sign(SECRET, **right | change) != SIGNATURE


def test_the_headers_have_the_names_of_the_specification() -> None:
    assert signed_headers(SECRET, message_id=ID, timestamp=TIMESTAMP, body=BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNATURE,
    }


def test_a_secret_is_random_and_long_enough() -> None:
    one, other = make_secret(), make_secret()
    assert one != other
    assert one.startswith("whsec_")
    assert 24 <= len(base64.b64decode(one.removeprefix("whsec_"))) <= 64
