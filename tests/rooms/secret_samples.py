"""Seventy kinds of secrets and as many harmless things that look like some. None is real: each is put together here.

A sample is a JSON value; of a secret's, `hidden` is the part that must not be left of it.
"""

import hashlib
import string
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

HEX = "0123456789abcdef"
LETTERS = string.ascii_letters + string.digits
URL_SAFE = LETTERS + "-_"
BASE64 = LETTERS + "+/"
UPPER = string.ascii_uppercase + string.digits
LOWER = string.ascii_lowercase + string.digits


def made(length: int, alphabet: str = LETTERS, salt: str = "") -> str:
    """Letters as if drawn by lot, the same each time; a digit and a letter are among them."""
    found, number = "", 0
    while len(found) < length or not any(map(str.isdigit, found)):
        digest = hashlib.sha256(f"{length} {alphabet} {salt} {number}".encode()).digest()
        found = (found + "".join(alphabet[byte % len(alphabet)] for byte in digest))[-length:]
        number += 1
    return found


@dataclass(frozen=True, slots=True)
class SecretSample:
    """One secret, in what people put it into. `value`: a text, or an object with a field of a telling name."""

    name: str
    value: Any
    hidden: str


def _key(name: str, prefix: str, length: int, alphabet: str = LETTERS) -> SecretSample:
    key = prefix + made(length, alphabet, name)
    return SecretSample(name, f"you can use {key} for it", key)


def _said(name: str, text: str, hidden: str) -> SecretSample:
    return SecretSample(name, text % hidden, hidden)


def _named(name: str, field: str, hidden: str) -> SecretSample:
    return SecretSample(name, {"host": "db1", field: hidden}, hidden)


def _pem(name: str, label: str, *, block: str = "", headers: str = "") -> SecretSample:
    body = "\n".join(made(64, BASE64, f"{name}{line}") for line in range(8))
    dashes = "-" * 5
    what = f"{label}PRIVATE KEY{block}{dashes}"
    return SecretSample(name, f"here:\n{dashes}BEGIN {what}\n{headers}{body}\n{dashes}END {what}\nthat is all", body)


_ENCRYPTED = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC," + made(32, HEX.upper()) + "\n\n"
_BASIC = b64encode(b"ops:" + made(12).encode()).decode()
_PUTTY = "\n".join(made(64, BASE64, f"putty{line}") for line in range(4))
_HIGH = made(10) + "!x"
_KAGGLE = made(32, HEX, "kaggle")

SECRETS = (
    _key("OpenAI", "sk-" + "proj-", 90, URL_SAFE),
    _key("Anthropic", "sk-" + "ant-api03-", 93, URL_SAFE),
    _key("OpenRouter", "sk-" + "or-v1-", 64, HEX),
    _key("xAI", "xai" + "-", 80),
    _key("Groq", "gsk" + "_", 52),
    _key("NVIDIA", "nvapi" + "-", 64, URL_SAFE),
    _key("Perplexity", "pplx" + "-", 48),
    _key("Fireworks", "fw" + "_", 24),
    _key("Replicate", "r8" + "_", 37),
    _key("Tavily", "tvly" + "-", 32),
    _key("Hugging Face", "hf" + "_", 34),
    _key("Cerebras", "csk" + "-", 48, LOWER),
    _key("LangSmith", "lsv2" + "_pt_" + made(32, HEX) + "_", 10, HEX),
    _key("Pinecone", "pcsk" + "_", 70),
    _key("this gateway", "cf" + "-", 43, URL_SAFE),
    _key("AWS key id", "AK" + "IA", 16, UPPER),
    _key("AWS Bedrock", "AB" + "SK", 120, BASE64),
    _said("AWS secret key", "aws_secret_access_key = %s", made(40, BASE64, "aws")),
    _key("Google API key", "AI" + "za", 35, URL_SAFE),
    _key("Google client secret", "GOC" + "SPX-", 28, URL_SAFE),
    _key("Google access token", "ya" + "29.a0", 60, URL_SAFE),
    _said("Azure storage", "AccountName=a1;AccountKey=%s;Endpoint=a", made(86, BASE64, "st") + "=="),
    _said("Azure service bus", "SharedAccessKeyName=Root1;SharedAccessKey=%s", made(43, BASE64, "sb") + "="),
    _said("Azure SAS", "https://a.blob.example/c/b?sv=2024-11-04&se=2026&sig=%s", made(40, LETTERS, "sas") + "%3D"),
    _said("Azure AD secret", "the app has %s since May", made(3, LETTERS) + "8" + "Q~" + made(34, URL_SAFE, "ad")),
    _said("Azure AI", "endpoint a, then %s there", made(52, LETTERS, "ai") + "JQQ" + "J99" + made(26, LETTERS, "ai2")),
    _key("Databricks", "da" + "pi", 32, HEX),
    _key("Vault", "hv" + "s.CAES", 90, URL_SAFE),
    _key("DigitalOcean", "dop" + "_v1_", 64, HEX),
    _key("GitHub", "gh" + "p_", 36),
    _key("GitHub fine-grained", "github" + "_pat_", 82, LETTERS + "_"),
    _key("GitLab", "gl" + "pat-", 20, URL_SAFE),
    _key("npm", "np" + "m_", 36),
    _key("PyPI", "py" + "pi-AgEIcHlwaS5vcmc", 70, URL_SAFE),
    _key("Docker", "dckr" + "_pat_", 27, URL_SAFE),
    _key("Atlassian", "ATA" + "TT3xFfGF0", 180, URL_SAFE),
    _key("Grafana", "gl" + "sa_" + made(32) + "_", 8, HEX),
    _key("Sentry", "sntr" + "yu_", 64, HEX),
    _key("Stripe", "sk" + "_live_", 24),
    _key("a webhook's signing secret", "wh" + "sec_", 32, BASE64),
    _key("Shopify", "shp" + "at_", 32, HEX),
    _key("Twilio", "S" + "K", 32, HEX),
    _key("SendGrid", "S" + "G." + made(22, URL_SAFE) + ".", 43, URL_SAFE),
    _key("Slack", "xo" + "xb-123456789012-1234567890123-", 24),
    _said("Slack webhook", "https://hooks.slack.com/%s", "services/T0A1B2C3D/B0A1B2C3D/" + made(24, LETTERS, "hook")),
    _said("Telegram bot", "the bot is 110201543:%s now", "AA" + made(33, URL_SAFE, "tg")),
    _pem("RSA key, encrypted", "RSA ", headers=_ENCRYPTED),
    _pem("EC key", "EC "),
    _pem("OpenSSH key", "OPENSSH "),
    _pem("PGP key", "PGP ", block=" BLOCK"),
    _said("PuTTY key", f"PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 4\n%s\nPrivate-MAC: {made(64, HEX)}", _PUTTY),
    _key("JWT", "ey" + "J" + made(33, URL_SAFE) + ".ey" + "J" + made(60, URL_SAFE) + ".", 43, URL_SAFE),
    _said("Basic auth", "-H 'Authorization: Basic %s'", _BASIC),
    _said("URL with password", "postgres://app:%s@db1/prod", made(14, LETTERS, "url")),
    _said("cookie", "Cookie: %s", f"sid={made(32, HEX)}; csrf={made(16, HEX)}"),
    _said("password in words", "the password: %s, please", made(9, LOWER, "words") + "X"),
    _named("password in JSON", "password", _HIGH),
    _named("number in JSON", "passcode", "904217365"),
    _named("header in JSON", "X-Api-Key", made(32, HEX, "header")),
    _named("word in JSON", "clientSecret", "correct horse battery staple"),
    _key("Modal", "a" + "k-", 22),
    _key("Okta", "0" + "0", 40, URL_SAFE),
    _said("Asana", "as 2/1201234567890123/1209876543210987:%s there", made(32, HEX, "asana")),
    SecretSample("Kaggle", {"username": "joe", "key": _KAGGLE}, _KAGGLE),
    _said("Kaggle in words", 'put {"username": "joe", "key": "%s"} there', _KAGGLE),
    _said("AWS secret key beside its id", "AK" + "IA" + made(16, UPPER) + ",%s", made(40, BASE64, "pair")),
    _said("password of letters", "export DB_PASSWORD=%s", "horsebattery"),
    _said("password of letters in a query", "jdbc:mysql://h/db?user=a&password=%s&ssl=1", "horsebattery"),
    _said("password in XML", "<user>a</user><password>%s</password>", "horsebattery"),
    _said("password in Markdown", "**User:** ops\n**Password:** %s", "horse7battery"),
    _said("password in Spanish", "contrase\u00f1a: %s", "caballo7bateria"),
    _said("key in a sentence", "my API key is %s, thanks", made(40, LETTERS, "sentence")),
    _said("token in a link", "https://%s@git.example/a/b.git", made(40, LETTERS, "link")),
    _said("login in Python", 'requests.get(url, auth=("ops", "%s"))', "horse7battery"),
    _said("key in base64", "echo %s | base64 -d", b64encode(f"KEY={'g' + 'hp_' + made(36)}".encode()).decode()),
)  # fmt: skip

_PUBLIC = "\n".join(made(64, BASE64, f"public{line}") for line in range(6))
_TOKEN_PIECE = {"token": " Berlin", "logprob": -0.25, "bytes": [32, 66], "top_logprobs": []}

HARMLESS: tuple[Any, ...] = (
    {"max_tokens": 4096, "max_completion_tokens": 4096, "min_tokens": 100, "stop_token_ids": [128001]},
    {"usage": {"prompt_tokens": 1234, "completion_tokens": 567, "total_tokens": 1801}},
    {"prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0}, "reasoning_tokens": 5120},
    {"token_count": 51200, "tokens": [15496, 995], "tokens_per_second": 412, "token_type": "bearer"},
    {"next_page_token": "CAoQAA1b2c3d4e5f6", "page_token": "CAoQAA1b2c3d4e5f6", "nextPageToken": "EAAaBlBUOkNBUQ"},
    {"eos_token": "</s>", "bos_token": "<s>", "pad_token": "<pad>", "eos_token_id": 128009},
    _TOKEN_PIECE,
    {"token": "Berlin", "label": "LOC", "start": 0, "end": 6},
    {"top_logprobs": [{" password": -3.25, " secret": -1.5, " token": -0.125}]},
    {"prompt_cache_key": "user-1234567890-session", "safety_identifier": "u-1a2b3c", "idempotency_key": made(32, HEX)},
    {"name": "login", "parameters": {"type": "object", "properties": {"password": {"type": "string", "minLength": 8}}}},
    {"properties": {"api_key": {"type": "string", "description": "Key of the service, 32 hex digits"}}},
    {"password": "string", "token": "<your-token>", "api_key": "${OPENAI_API_KEY}", "secret": "********"},
    {"secretName": "db-credentials-2", "secret": {"secretName": "tls-cert-2024"}, "secretKeyRef": {"name": "db2"}},
    {"password": None, "secret": False, "token": "", "authorization": {"type": "oauth2"}},
    {"requires_auth": True, "auth_type": "oauth2", "password_policy": "12 letters", "password_set_at": "2024-05-01"},
    {"public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + made(43), "key_id": "k-2024", "primary_key": "id"},
    {"sort_key": "created_at_2", "cache_key": "v2:page:17", "key": "value1234", "keys": ["a1b2c3d4", "e5f6a7b8"]},
    {"cookie_policy": "strict2", "cookies_enabled": "yes1", "tokenizer": "cl100k_base"},
    {"encrypted_content": made(120, BASE64), "signature": made(88, BASE64), "thought_signature": made(60, BASE64)},
    {"id": "chatcmpl-" + made(29), "system_fingerprint": "fp_" + made(10, HEX), "call_id": "call_" + made(24)},
    {"previous_response_id": "resp_" + made(48, HEX), "file_id": "file-" + made(24), "thread_id": "thread_" + made(24)},
    "model ft:gpt-4o-mini-2024-07-18:acme:triage:" + made(8),
    "claude-3-5-sonnet-20241022, meta-llama/Llama-3.1-8B-Instruct, mixtral-8x22b-instruct-v0.1",
    "550e8400-e29b-41d4-a716-446655440000 and 018f3c2a-7b1d-7c3e-9f00-1a2b3c4d5e6f",
    "sha256:" + made(64, HEX, "digest") + " and commit " + made(40, HEX, "commit"),
    "md5 " + made(32, HEX, "md5") + ", crc 7f3a9c01, etag W/\"" + made(32, HEX, "etag") + '"',
    "data:image/png;base64," + made(400, BASE64),
    made(300, BASE64, "blob"),
    "0x" + made(40, HEX, "eth") + " paid to bc1q" + made(38, LOWER, "btc"),
    "sk-learn, sk-estonian-wordlist-extra and sk-short; sketch_of_the_house_number_12",
    "get_customer_order_status_v2, deeplyNestedCamelCaseIdentifierNumber12, a-rather-long-kebab-name-2024",
    "from gateway.proxy.request_body import read_body_2 as read; tests/unit/records/test_redact_v2_final.py",
    "https://example.com/a/b-c-d/2024/05/01/some-long-article-title-with-words?page=2&utm_source=newsletter_12",
    "https://hooks.slack.com is where hooks live; see https://api.slack.com/messaging/webhooks/12",
    "http://localhost:8080/v1/chat/completions, ftp://ftp.example.com:21/pub, redis://127.0.0.1:6379/0",
    "git@github.com:acme/app.git, ssh://git@example.com/acme/app2.git, mailto:a",
    "on 2024-11-20T12:30:45.123456Z, build 20241120.123045-rc1, version 1.2.3-beta.4+exp.sha.5114f85",
    "Basic understanding of 2D graphics, Basic authentication, basic training for 12 weeks",
    "Bearer authentication and Bearer tokens-in-general are RFC 6750; the bearer of this letter",
    "the cookie: 200g flour, 100g sugar; Cookie monsters; cookie=yes",
    "password: required, at least 8 characters; Password: str = Field(min_length=8)",
    "token = tokenizer.encode(text_2); token: Optional[str] = None; tokens: 4096; max_token: 4096",
    'api_key=os.environ["OPENAI_API_KEY_2"], secret = settings.vault_v2.secret_path, pwd=/home/user1/app',
    "password=${DB_PASSWORD_1}, token: {{ secrets.NPM_TOKEN_2 }}, api_key: <YOUR_API_KEY_1>, secret: xxxxxxxx",
    "password: [SECRET_1], Authorization: Bearer [SECRET_2], token=[SECRET_3]",
    "the key is 12; turkey: 12lb5oz; monkey=banana7; compass: north12; passwordless: fido2",
    "keyboard: 104keys1, primary key: user_id2, foreign key: order_id3, sort key: created2, key: value1",
    "next page token: CAoQAA1b2c3, eos token: </s2>, stop token: endoftext1, time to first token: 120ms",
    "pk_" + "live_" + made(24) + " is the publishable one",
    "-" * 5 + "BEGIN PUBLIC KEY" + "-" * 5 + "\n" + _PUBLIC + "\n" + "-" * 5 + "END PUBLIC KEY" + "-" * 5,
    "-" * 5 + "BEGIN CERTIFICATE" + "-" * 5 + "\n" + _PUBLIC + "\n" + "-" * 5 + "END CERTIFICATE" + "-" * 5,
    "ssh-rsa AAAAB3NzaC1yc2E" + made(300, BASE64, "ssh") + " ops2@db1",
    "a private key begins with BEGIN PRIVATE KEY in dashes, 64 letters a line",
    "arn:aws:iam::123456789012:role/service-role/AmazonEC2Role, ami-" + made(17, HEX) + ", i-" + made(17, HEX),
    "AKIA is how key ids begin; ASIAN markets in 2024; AIzawa; xoxo; hf_hub_download; npm_config_loglevel",
    "MAC 00:1a:2b:3c:4d:5e, IPv6 2001:0db8:85a3:0000:0000:8a2e:0370:7334, ISBN 978-3-16-148410-0",
    "config=production_eu_west_1_blue, design=material_you_3_expressive_v2, orig=a1b2c3d4e5f6a7b8c9d0e1f2",
    "curl -u https://example.com/v1, curl -H 'Accept: application/json' -X POST --retry 3 http://localhost:8080",
    "f(user=user, password=plain), connect(\n    password=plain\n), password=form.password, password=required&x=1",
    "PWD=/home/a/b OLDPWD=~/srv, if password=password_hash, --password=PASSWORD, type=password; sort=password",
    '<password>string</password> <label for="password">Password</label><input name="password" placeholder="secret">',
    "**Password:** required, **token**: a string; la contrase\u00f1a: obligatoria; senha: minimo 8 letras",
    "the cache key is " + made(32, HEX) + ", the API key is in settings_2.py, next page token is CAoQAA1b2c3d4e5f6Za",
    "cursor " + b64encode(b'{"id": 12345, "max_tokens": 4096, "about": "the password policy"}').decode(),
    {"username": "joe", "key": "profile_picture_2", "rows": [{"username": "joe", "key": made(40, HEX)}]},
    "ratio 1/1234567890123456:2, ak-47, ws-discovery-2024, 00-" + made(32, HEX, "tp2") + "-" + made(16, HEX) + "-01",
    "AKIA ids, then commit " + made(40, HEX, "commit2") + "; https://a-long-name-without-digits-in-it-at-all@h/x",
    "uuid7 = " + made(32, HEX, "hex") + "; trace 00-" + made(32, HEX, "tp") + "-" + made(16, HEX, "sp") + "-01",
)  # fmt: skip
