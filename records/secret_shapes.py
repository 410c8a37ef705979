"""What secrets look like by themselves: keys by how they begin, and private keys.

A key is a long run of letters and digits that begins as its maker has it: `RULES` is the list. A text without such a
run is not looked at any further; in one that has some, each run's first two letters say which rules are tried.

Source: prefixes and lengths of gitleaks' default rules (github.com/gitleaks/gitleaks, config/gitleaks.toml at b58d3f1,
July 2026; MIT licence, (c) 2019 Zachary Rice) and the makers' own pages; written anew as a table. RFC 7468 (PEM),
RFC 4716 (SSH2).
"""

import re
from collections.abc import Callable, Iterator

from records.secret_surroundings import replace_told

RUN: int = 16
"""Letters and digits in a row, `_` and `-` among them, of which no key has fewer."""
_MIXED = r"(?=[A-Za-z\-_]{0,200}[0-9])"
"""A digit somewhere: names made of words have none."""
_RANDOM = _MIXED + r"(?=[a-z0-9\-_]{0,60}[A-Z])(?=[A-Z0-9\-_]{0,60}[a-z])"
"""A digit, a capital and a small letter: so short a beginning is one of words, too."""
_UUID = r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"

RULES: tuple[tuple[str, str], ...] = (
    # Models' makers and what stands around them
    ("sk-", _MIXED + r"[A-Za-z0-9_\-]{16,}"),  # OpenAI, Anthropic, DeepSeek, OpenRouter, Moonshot, Langfuse, LiteLLM …
    ("sess-", _MIXED + r"[A-Za-z0-9]{32,}"),
    ("ek_", r"[A-Za-z0-9]{24,}"),
    ("xai-", r"[A-Za-z0-9_\-]{40,}"),
    ("gsk_", r"[A-Za-z0-9]{32,}"),
    ("nvapi-", r"[A-Za-z0-9_\-]{40,}"),
    ("pplx-", r"[A-Za-z0-9]{32,}"),
    ("fw_", _MIXED + r"[A-Za-z0-9]{20,}"),
    ("r8_", r"[A-Za-z0-9]{32,}"),
    ("tvly-", r"[A-Za-z0-9\-]{20,}"),
    ("csk-", _MIXED + r"[A-Za-z0-9]{32,}"),
    ("tgp_v1_", r"[A-Za-z0-9_\-]{32,}"),
    ("hf_", r"[A-Za-z0-9]{30,}"),
    ("api_org_", r"[A-Za-z0-9]{30,}"),
    ("jina_", r"[A-Za-z0-9_\-]{40,}"),
    ("pcsk_", r"[A-Za-z0-9_]{40,}"),
    ("lsv2_", r"(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}"),
    ("wandb_v1_", r"[A-Za-z0-9_]{32,}"),
    ("fpk_", _MIXED + r"[A-Za-z0-9]{20,}"),
    ("sk_", r"[a-f0-9]{48}(?![A-Za-z0-9])"),  # ElevenLabs
    ("pa-", _RANDOM + r"[A-Za-z0-9_\-]{43}(?![A-Za-z0-9_\-])"),  # Voyage
    ("fc-", r"[a-f0-9]{32}(?![A-Za-z0-9])"),  # Firecrawl
    ("bt-st-", r"[A-Za-z0-9]{32,}"),  # Braintrust
    ("e2b_", r"[a-f0-9]{40}"),
    *((head, _RANDOM + r"[A-Za-z0-9]{22}(?![A-Za-z0-9_\-])") for head in ("ak-", "as-", "wk-", "ws-")),  # Modal
    ("00", _RANDOM + r"[A-Za-z0-9_\-]{40}(?![A-Za-z0-9_\-])"),  # Okta
    ("rpa_", r"[A-Za-z0-9]{40,}"),  # RunPod
    ("pylf_v", r"[0-9]_[a-z]{2}_[A-Za-z0-9]{30,}"),
    ("cf-", _MIXED + r"[A-Za-z0-9_\-]{40,}"),  # this gateway's own
    # Clouds
    ("AKIA", r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("ASIA", r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("ABIA", r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("ACCA", r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("ABSK", r"[A-Za-z0-9+/]{100,}={0,2}"),
    ("bedrock-api-key-", r"[A-Za-z0-9+/=_\-]{20,}"),
    ("AIza", r"[A-Za-z0-9_\-]{35}"),
    ("GOCSPX-", r"[A-Za-z0-9_\-]{20,}"),
    ("LTAI", r"[A-Za-z0-9]{16,24}(?![A-Za-z0-9])"),
    ("dapi", r"[a-h0-9]{32}(?:-[0-9])?(?![A-Za-z0-9])"),
    ("cf", r"(?:ut|at|k)_[A-Za-z0-9]{40,}"),
    ("vc", r"[aciprk]_[A-Za-z0-9]{24,}(?![A-Za-z0-9])"),
    ("vercel_blob_rw_", r"[A-Za-z0-9]{8,}_[A-Za-z0-9]{16,}"),
    ("nf", r"[bcopu]_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
    ("dop_v1_", r"[a-f0-9]{64}"),
    ("doo_v1_", r"[a-f0-9]{64}"),
    ("dor_v1_", r"[a-f0-9]{64}"),
    ("FlyV1_", r"[A-Za-z0-9_+/=,\-]{32,}"),
    ("fm2_", r"[A-Za-z0-9+/]{32,}={0,3}"),
    ("tskey-", r"[A-Za-z]+-[A-Za-z0-9_\-]{16,}"),
    ("HRKU-", r"[A-Za-z0-9_\-]{36,}"),
    ("AQVN", r"[A-Za-z0-9_\-]{35,38}(?![A-Za-z0-9])"),
    ("CLOJARS_", r"[A-Za-z0-9]{60}"),
    # Code and packages
    ("ghp_", r"[A-Za-z0-9]{30,}"),
    ("gho_", r"[A-Za-z0-9]{30,}"),
    ("ghu_", r"[A-Za-z0-9]{30,}"),
    ("ghs_", r"[A-Za-z0-9]{30,}"),
    ("ghr_", r"[A-Za-z0-9]{30,}"),
    ("github_pat_", r"[A-Za-z0-9_]{22,}"),
    ("gl", r"(?:pat|dt|rt|cbt|ptt|ft|soat|imt|agent|oas|ffct)-[A-Za-z0-9_\-]{20,}"),
    ("glsa_", r"[A-Za-z0-9]{32}_[a-f0-9]{8}"),
    ("glc_", r"[A-Za-z0-9+/]{32,}={0,2}"),
    ("ATATT3", r"[A-Za-z0-9_=\-]{40,}"),
    ("ATBB", r"[A-Za-z0-9]{32}(?![A-Za-z0-9])"),
    ("npm_", r"[A-Za-z0-9]{36}"),
    ("pypi-", r"[A-Za-z0-9_\-]{50,}"),
    ("CCIPAT_", r"[A-Za-z0-9]{22}_[a-f0-9]{40}"),
    ("CCIPRJ_", r"[A-Za-z0-9]{22}_[a-f0-9]{40}"),
    ("bk", r"(?:aj|at|ct|ps|ua)_[A-Za-z0-9]{38,}"),
    ("sq", r"[apu]_[a-f0-9]{40}"),
    ("cio", _RANDOM + r"[A-Za-z0-9]{32}(?![A-Za-z0-9])"),
    ("oy2", _MIXED + r"[a-z0-9]{43}(?![A-Za-z0-9])"),
    ("KGAT_", r"[a-f0-9]{32}"),
    ("api-", _UUID + r"(?![A-Za-z0-9\-])"),
    ("sdk-", _UUID + r"(?![A-Za-z0-9\-])"),
    ("secret-", _RANDOM + r"[A-Za-z0-9]{40,}"),
    ("hc", r"[a-z]ik_[a-z0-9]{50,}"),
    ("CFPAT-", r"[A-Za-z0-9_\-]{40,}"),
    ("rubygems_", r"[a-f0-9]{48}"),
    ("dckr_pat_", r"[A-Za-z0-9_\-]{20,}"),
    ("dckr_oat_", r"[A-Za-z0-9_\-]{20,}"),
    ("AKCp", r"[A-Za-z0-9]{69}"),
    ("cmVmd", r"[A-Za-z0-9]{59}"),
    ("sgp_", r"(?:[a-fA-F0-9]{16}_|local_)?[a-fA-F0-9]{40}"),
    ("pul-", r"[a-f0-9]{40}"),
    ("PMAK-", r"[a-f0-9]{24}-[a-f0-9]{34}"),
    ("sntrys_", r"[A-Za-z0-9+/=_]{40,}"),
    ("sntryu_", r"[a-f0-9]{64}"),
    ("NRAK-", r"[A-Z0-9]{27}"),
    ("NRII-", r"[A-Za-z0-9\-]{32}"),
    ("phx_", r"[A-Za-z0-9_]{32,}"),
    ("pnu_", r"[A-Za-z0-9]{36}"),
    ("ops_eyJ", r"[A-Za-z0-9+/_\-]{40,}={0,3}"),
    ("A3-", r"[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}"),
    ("AGE-SECRET-KEY-1", r"[A-Z0-9]{58}"),
    ("pscale_", r"(?:tkn|pw|oauth)_[A-Za-z0-9_=.\-]{32,64}"),
    ("sbp_", r"(?:v0_)?[a-f0-9]{40}"),
    ("sb_secret_", r"[A-Za-z0-9_\-]{20,}"),
    ("napi_", r"[a-z0-9]{40,}"),
    ("rnd_", r"[A-Za-z0-9]{28,}"),
    # Money, post, talk, work
    ("sk_", r"(?:live|test|prod)_[A-Za-z0-9]{10,}"),
    ("rk_", r"(?:live|test|prod)_[A-Za-z0-9]{10,}"),
    ("whsec_", r"[A-Za-z0-9+/=]{20,}"),
    ("sq0", r"(?:atp|csp)-[A-Za-z0-9_\-]{22,}"),
    ("shp", r"(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}"),
    ("EZAK", r"[A-Za-z0-9]{54}"),
    ("EZTK", r"[A-Za-z0-9]{54}"),
    ("SK", r"[0-9a-f]{32}(?![A-Za-z0-9])"),
    ("key-", r"[0-9a-f]{32}(?![A-Za-z0-9])"),
    ("xkeysib-", r"[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    ("xsmtpsib-", r"[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    ("re_", _MIXED + r"[A-Za-z0-9]{8}_[A-Za-z0-9]{24}"),
    ("xox", r"[abeoprs](?:\.xox[bp])?-[A-Za-z0-9\-]{10,}"),
    ("xapp-", r"[A-Za-z0-9\-]{10,}"),
    ("pat-", r"(?:na|eu)[0-9]-[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"),
    ("pat", r"[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    ("lin_api_", r"[A-Za-z0-9]{40}"),
    ("lin_oauth_", r"[a-f0-9]{64}"),
    ("pk_", r"[0-9]{5,12}_[A-Z0-9]{32}(?![A-Za-z0-9])"),  # ClickUp
    ("access-", r"(?:sandbox|development|production)-" + _UUID),  # Plaid
    ("rzp_", r"(?:live|test)_[A-Za-z0-9]{14,}"),
    ("pdl_", r"(?:live|sdbx)_apikey_[a-z0-9]{26}_[A-Za-z0-9]{22}_[A-Za-z0-9]{3}"),
    ("ntn_", r"[A-Za-z0-9]{40,}"),
    ("secret_", r"[A-Za-z0-9]{43}(?![A-Za-z0-9])"),
    ("figd_", r"[A-Za-z0-9_\-]{40}"),
    ("tfp_", r"[A-Za-z0-9_.=\-]{44,}"),
    ("rdme_", r"[a-z0-9]{70}"),
    ("shippo_", r"(?:live|test)_[a-fA-F0-9]{40}"),
    ("duffel_", r"(?:live|test)_[A-Za-z0-9_\-=]{43}"),
    ("EAA", r"(?:[A-Za-z0-9]{100,}|A[A-Za-z0-9_\-]{60}(?![A-Za-z0-9_\-]))"),
    *((f"{first}{second}", r"[A-Za-z0-9_\-]{22,26}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27,38}(?![A-Za-z0-9])")
      for first in "MNO" for second in "DTjz"),  # a Discord bot's
    ("LS0tLS1CRUdJTi", r"(?:BQUklWQVRF|BSU0Eg|BFQyBQ|BPUEVOU1NI|BFTkNSWVBURU)[A-Za-z0-9+/=]{20,}"),  # a PEM in base64
    ("eyJ", r"[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*"),  # a JWT
    ("eyJ", r"[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*(?:\.[A-Za-z0-9_\-]{16,}){3}"),  # an encrypted one
)  # fmt: skip
"""How a run begins, and how it goes on. The first two letters of each are letters of a run."""
DOTTED_RULES: tuple[tuple[str, str], ...] = (
    ("SG.", r"[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}"),
    ("hvs.", r"[A-Za-z0-9_\-]{24,}"),
    ("hvb.", r"[A-Za-z0-9_\-]{60,}"),
    ("hvr.", r"[A-Za-z0-9_\-]{24,}"),
    ("ya29.", r"[A-Za-z0-9_\-]{20,}"),
    ("1//0", r"[A-Za-z0-9_\-]{30,}"),
    ("dp.pt.", r"[A-Za-z0-9]{40,}"),
    ("dp.st.", r"(?:[a-z0-9_\-]{2,35}\.)?[A-Za-z0-9]{40,}"),
    ("dt0c01.", r"[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    ("sl.", r"(?:u\.)?[A-Za-z0-9_\-]{130,}"),
    ("AQ.", r"Ab8[A-Za-z0-9_\-]{30,}"),
    ("atlasv1.", r"[A-Za-z0-9_=\-]{40,}"),
    ("st.", r"[a-f0-9]{24}\.[a-f0-9]{32}\.[a-f0-9]{32}"),
    ("sk.", r"eyJ[A-Za-z0-9_\-]{30,}\.[A-Za-z0-9_\-]{20,}"),
    ("v1.0-", r"[a-f0-9]{24}-[a-f0-9]{146}"),
    ("sha256~", r"[A-Za-z0-9_\-]{43}"),
    ("amzn.mws.", r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"),
)
"""Keys with a sign among their first letters that is no part of a run; the run begins somewhere behind it."""
_TELEGRAM = re.compile(r"AA[A-Za-z0-9_\-]{33}(?![A-Za-z0-9_\-])")
_ASANA = re.compile(r"(?<![0-9/])[12]/(?:[0-9]{10,20}/)?[0-9]{10,20}:\Z")
"""What stands before the 32 hexadecimal digits."""
_HEX_32 = re.compile(r"[0-9a-f]{32}(?![A-Za-z0-9_\-])")
_AZURE_SECRET = re.compile(r"[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.\-]{31,34}")
_AZURE_MARKS = ("JQQJ99", "AZDO")
"""In every key of Azure's AI services, and of Azure DevOps; both are of 84 letters."""
_MAILCHIMP = re.compile(r"[0-9a-f]{32}-us[0-9]{1,2}(?![A-Za-z0-9_\-])")


def _rules_by_head() -> dict[str, re.Pattern[str]]:
    found: dict[str, list[str]] = {}
    for prefix, rest in RULES:
        found.setdefault(prefix[:2], []).append(re.escape(prefix) + rest)
    return {head: re.compile("|".join(rules)) for head, rules in found.items()}


_BY_HEAD = _rules_by_head()
_DOTTED = re.compile("|".join(re.escape(prefix) + rest for prefix, rest in DOTTED_RULES))
_DOTTED_HEADS = tuple(prefix[:-1] if prefix[-1] not in ".~-/" else prefix for prefix, _ in DOTTED_RULES)
_IS_RUN = bytes(
    0x61 if chr(code).isascii() and (chr(code).isalnum() or chr(code) in "_-") else 0x20 for code in range(256)
)
_LONG = b"a" * RUN

_KEY_BEGIN = re.compile(r"-----?\ ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-----?|PuTTY-User-Key-File-[0-9]:")
_KEY_END = re.compile(r"-----?\ ?END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-----?|Private-MAC: ?[0-9a-f]+")
_KEY_LINES = re.compile(r"(?:(?:\s|\\[nr])*[A-Za-z0-9+/=:,\-]{16,})*")
"""What is there of a private key whose end is cut off."""
_LONGEST_KEY = 20_000


def replace_shapes(text: str, replace: Callable[[str], str]) -> str:
    """The text with each secret in it replaced that is known by its looks."""
    if "-" in text and ("PRIVATE KEY" in text or "PuTTY-User-Key" in text):
        text = _replace_private_keys(text, replace)
    return _replace_keys(replace_told(text, replace), replace)


def _replace_private_keys(text: str, replace: Callable[[str], str]) -> str:
    pieces: list[str] = []
    done = 0
    last: re.Match[str] | None = _KEY_END.search(text)
    for begin in _KEY_BEGIN.finditer(text):
        if begin.start() < done:
            continue
        while last is not None and last.start() < begin.end():
            last = _KEY_END.search(text, last.end())
        if last is not None and last.start() - begin.end() <= _LONGEST_KEY:
            end = last.end()
        else:
            lines = _KEY_LINES.match(text, begin.end())
            end = lines.end() if lines is not None else begin.end()
        pieces += (text[done : begin.start()], replace(text[begin.start() : end]))
        done = end
    return "".join((*pieces, text[done:])) if pieces else text


def _replace_keys(text: str, replace: Callable[[str], str]) -> str:
    runs = text.encode("ascii", "replace").translate(_IS_RUN)
    at = runs.find(_LONG)
    if at < 0:
        return text
    pieces: list[str] = []
    done = 0
    while at >= 0:
        start, end = runs.rfind(b" ", done, at) + 1 or done, runs.find(b" ", at)
        end = len(text) if end < 0 else end
        match = _key_in(text, start, end, done)
        if match is not None:
            pieces += (text[done : match.start()], replace(match[0]))
            done = match.end()
        at = runs.find(_LONG, max(end, done))
    return "".join((*pieces, text[done:])) if pieces else text


def _key_in(text: str, start: int, end: int, done: int) -> re.Match[str] | None:
    """The key that the run between `start` and `end` is, holds, or belongs to."""
    before = text[start - 1 : start] if start > done else ""
    if before and before in ".~/" and (match := _dotted(text, start, done)):
        return match
    if before == ":" and (match := _TELEGRAM.match(text, start)) and text[max(done, start - 9) : start - 1].isdigit():
        return match
    if before == ":" and (match := _HEX_32.match(text, start)) and _ASANA.search(text, max(done, start - 48), start):
        return match
    if before == "\\" and text[start] in "nrt":
        start += 1  # the end of an escape, in JSON that is a text
    elif before == "%":
        start += 2
    for place in _beginnings(text, start, end):
        rules = _BY_HEAD.get(text[place : place + 2])
        if rules is not None and (match := rules.match(text, place)):
            return match
    if end - start == 84 and any(mark in text[start:end] for mark in _AZURE_MARKS):
        return _WHOLE.match(text, start)
    if 36 <= end - start <= 37 and (match := _MAILCHIMP.match(text, start)):
        return match
    return _dotted(text, end, done) if text[end : end + 1] in (".", "~", "/") else None


_WHOLE = re.compile(r"[A-Za-z0-9]+")


def _dotted(text: str, start: int, done: int) -> re.Match[str] | None:
    """The key with a sign among its first letters that stands around `start`."""
    window = max(done, start - 12)
    if text.find("Q~", window, start + 2) >= 0 and (match := _AZURE_SECRET.search(text, window, start + 48)):
        return match
    for head in _DOTTED_HEADS:
        place = text.rfind(head, window, start + 4)
        if place >= 0 and not text[place - 1 : place].isalnum() and (match := _DOTTED.match(text, place)):
            return match
    return None


def _beginnings(text: str, start: int, end: int) -> Iterator[int]:
    """Where in a run a key may begin: at its own beginning, and behind each hyphen."""
    yield start
    at = text.find("-", start, end - RUN)
    while at >= 0:
        yield at + 1
        at = text.find("-", at + 1, end - RUN)
