"""Names that say of their value that it is a secret."""

import pytest

from records.secret_names import SecretNames, is_placeholder, is_secret, replace_named


@pytest.mark.parametrize(
    "name",
    [
        *("password", "passwd", "db_password", "userPassword", "PASSWORD2", "new_password", "passphrase", "pwd"),
        *(
            "secret",
            "client_secret",
            "clientSecret",
            "CLIENT-SECRET",
            "app.secret",
            "aws_secret_access_key",
            "secret_key_base",
        ),
        *(
            "token",
            "access_token",
            "accessToken",
            "x-auth-token",
            "GITHUB_TOKEN",
            "id_token",
            "refreshtoken",
            "csrfToken",
        ),
        *("api_key", "apiKey", "apikey", "X-Api-Key", "OPENAI_API_KEY", "private_key", "signingKey", "accountKey"),
        *(
            "Authorization",
            "proxy-authorization",
            "cookie",
            "Set-Cookie",
            "credentials",
            "connection_string",
            "jwt",
            "otp",
        ),
    ],
)
def test_names_of_secrets(name):
    """However programmers join the words."""
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "max_tokens",
            "max_token",
            "token_count",
            "tokens",
            "prompt_tokens",
            "total_tokens",
            "next_page_token",
            "pageToken",
        ),
        *("nextToken", "continuationToken", "eos_token", "stop_token_ids", "tokenizer", "token_type", "usd_per_token"),
        *(
            "decoded_token",
            "special_tokens",
            "key",
            "keys",
            "public_key",
            "primary_key",
            "cache_key",
            "prompt_cache_key",
        ),
        *("key_id", "access_key_id", "secret_name", "secretName", "password_policy", "passwordless", "cookies_enabled"),
        *("author", "authority", "monkey", "session_id", "user", "signature", "encrypted_content", "", "12", "日本"),
    ],
)
def test_names_of_other_things(name):
    """Counts, places in lists, ids and settings."""
    assert not is_secret(name)


def test_ones_own_names():
    """A name can be added and taken out, however it is written; the rest stays as it is."""
    names = SecretNames(more=("badge_code",), fewer=("Session-Token",))

    assert names["badgeCode"] and names["BADGE-CODE"] and names["password"]
    assert not names["session_token"] and not names["badge"]


def test_many_names_are_not_all_remembered():
    """Names come from apps: what is remembered of them has a bound."""
    names = SecretNames()

    assert not any(names[f"field {number}"] for number in range(10_000))
    assert len(names) < 5000


@pytest.mark.parametrize(
    ("fields", "secrets"),
    [
        ({"user": "bob", "password": "x"}, ["password"]),
        ({"token": " Hi", "logprob": -0.5}, []),
        ({"token": "abc"}, ["token"]),
        ({"name": "Authorization", "value": "Bearer x"}, ["value"]),
        ({"name": "region", "value": "eu"}, []),
        ({"kty": "RSA", "n": "0", "d": "1", "p": "2"}, ["d", "p"]),
    ],
)
def test_fields_of_an_object(fields, secrets):
    """What stands beside a field tells, too: how likely a piece of text is, a value's name, a key's type."""
    assert SecretNames().secret_fields(fields) == secrets


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("password", True),
        ("token", True),
        ("X-Api-Key", True),
        ("[SECRET_1]", False),
        ('"[SECRET_1]"', False),
        ("say", False),
    ],
)
def test_a_name_and_its_value_in_a_list(name, is_one):
    """A header or a variable; what a placeholder of ours stands for names nothing."""
    assert SecretNames().is_pair([name, "hunter2x9"]) is is_one


@pytest.mark.parametrize("value", ["", "string", "****", "xxxx", "${KEY}", "$KEY", "<key>", "{{ k }}", "[A_1]", "None"])
def test_values_that_are_none(value):
    """Types, masks, references and placeholders of ours."""
    assert is_placeholder(value)
    assert not is_placeholder(f"a{value}7")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("password=Tr0ub4dor&3x", "password=?"),
        ("DB_PASSWORD: hunter2, next", "DB_PASSWORD: ?, next"),
        ('{"password": "correcthorse"', '{"password": "?"'),
        (r"{\"api_key\": \"abcdef\"}", r"{\"api_key\": \"?\"}"),
        ("my api key is: no; api key: 0a1b2c3d", "my api key is: no; api key: ?"),
        ("Authorization: Bearer abc123def", "Authorization: Bearer ?"),
        ("<password>hunter2x</password>", "<password>?</password>"),
        ("mysql --password hunter2x -h db", "mysql --password ? -h db"),
        ("password: 12345678", "password: ?"),
        ("token=abc123 and secret=def456", "token=? and secret=?"),
        ("password hunter2x", "password hunter2x"),
        ("max_token: 4096a, next page token: a1b2c3", "max_token: 4096a, next page token: a1b2c3"),
        ("pwd=/home/u1/app", "pwd=/home/u1/app"),
        ("token = tokenizer.encode2(x)", "token = tokenizer.encode2(x)"),
        ("İpassword=hunter2x", "İpassword=?"),
    ],
)
def test_names_in_texts(text, left):
    """A value behind a secret's name is replaced, with the words around it left."""
    assert replace_named(text, lambda found: "?") == left


@pytest.mark.parametrize(
    "name",
    [
        *("db_pass", "dbPass", "SMTP_PASS", "github_pat", "Kennwort", "contraseña", "mot_de_passe", "senha"),
        *("\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44", "pass\u200bword"),
    ],
)
def test_names_in_other_letters_and_languages(name):
    """Accents, full-width letters and signs without a width hide no name; the usual short forms are known."""
    assert is_secret(name)
    assert not any(map(is_secret, ("pass", "first_pass", "bypass", "compass", "passenger", "path")))


@pytest.mark.parametrize(
    ("fields", "secret"),
    [
        ({"user": "a", "pass": "x"}, ["pass"]),
        ({"pass": "yes", "fail": "no"}, []),
        ({"Name": "DB_PASSWORD", "Value": "x"}, ["Value"]),
        ({"key": "api_key", "val": "x"}, ["val"]),
        ({"kind": "Secret", "stringData": {"a": "b"}}, ["stringData"]),
        ({"kind": "Deployment", "data": {"a": "b"}}, []),
        ({"kty": "oct", "k": "x"}, ["k"]),
        ({"auth": "dXNlcjpwYXNz"}, ["auth"]),
        ({"auth": "oauth2"}, []),
    ],
)
def test_what_stands_beside_a_field_tells(fields, secret):
    """A login beside `pass`, an object's kind, a name beside its value, a user and a password in base64."""
    assert SecretNames().secret_fields(fields) == secret


@pytest.mark.parametrize(
    ("items", "is_one"),
    [
        (["X-Api-Key", "a1b2c3d4"], True),
        (["password", "username"], False),
        (["Accept", "a1b2c3d4"], False),
        (["password", 1], False),
        (["token"], False),
    ],
)
def test_pairs(items, is_one):
    """A header in a list of two is one; two names are none."""
    assert SecretNames().is_pair(items) is is_one


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("export DB_PASS=horse7battery", "export DB_PASS=*"),
        ("next=https%3A%2F%2Fh%2F%3Faccess_token%3Dhorse7battery", "next=https%3A%2F%2Fh%2F%3Faccess_token%3D*"),
        ("tool --token=horse7battery", "tool --token=*"),
        ("first_pass=12ab34cd", "first_pass=12ab34cd"),
    ],
)
def test_more_names_in_texts(text, left):
    """Environments, queries within queries, and flags, whatever they belong to."""
    assert replace_named(text, lambda _: "*") == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("DB_PASSWORD=horsebattery ./run", "DB_PASSWORD=[X] ./run"),
        ("a?user=b&password=horsebattery&ssl=true", "a?user=b&password=[X]&ssl=true"),
        ("Server=h;User Id=sa;Password=horsebattery;", "Server=h;User Id=sa;Password=[X];"),
        ("Pwd=horsebattery;Server=h", "Pwd=[X];Server=h"),
        ("pg_dump --password=horsebattery db", "pg_dump --password=[X] db"),
        ("<ns:password>horsebattery</ns:password>", "<ns:password>[X]</ns:password>"),
        ("**Password:** horse7battery", "**Password:** [X]"),
        ("**Password**: horse7battery", "**Password**: [X]"),
        ("mot de passe : cheval7pile", "mot de passe : [X]"),
        ("\u5bc6\u7801\uff1aabc12345", "\u5bc6\u7801\uff1a[X]"),
        ("\u0130 PASSWORD=horse7battery", "\u0130 PASSWORD=[X]"),
        ("KAGGLE_KEY=0123456789abcdef", "KAGGLE_KEY=[X]"),
    ],
)
def test_passwords_of_letters_where_a_program_reads_them(text, left):
    """Variables, queries, connection strings, flags, XML; and names in Markdown and in other languages."""
    assert replace_named(text, lambda found: "[X]") == left


@pytest.mark.parametrize(
    "text",
    [
        "login(user=user, password=plain)",
        "login(\n    user=user,\n    password=plain\n)",
        "if password=db_password and password=form.password",
        "PWD=workspace; cd $PWD",
        "const password=input;",
        "--password=PASSWORD",
        "<password>string</password>",
        '<label for="password">Kennwort</label>',
        "password: horsebattery is what people say",
        "**token**: required",
    ],
)
def test_words_behind_a_name_that_are_no_passwords(text):
    """Arguments of calls, other variables, folders, blanks, labels: a word in a sentence is none either."""
    assert replace_named(text, lambda found: "[X]") == text


def test_a_key_beside_its_user():
    """A file of Kaggle's: `key` alone is a key of anything, and so is one of another length."""
    names = SecretNames()

    assert names.secret_fields({"username": "joe", "key": "0" * 32}) == ["key"]
    assert names.secret_fields({"username": "joe", "key": "profile"}) == []
    assert names.secret_fields({"key": "0" * 32}) == []
