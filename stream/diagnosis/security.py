"""Who could listen, and who could be recognised."""

from stream.diagnosis.finding import Finding, failed, ok, warning
from stream.settings import Settings, SettingsError, check_security, is_loopback

_SHORTEST_KEY_CHARACTERS = 32


def check_transport(settings: Settings) -> list[Finding]:
    """Check that nothing is spoken in plaintext beyond this machine."""
    strict = settings.model_copy(update={"insecure": False})
    try:
        check_security(strict)
    except SettingsError as error:
        problem, _, mend = str(error).partition("; ")
        if settings.insecure:
            return [warning("transport", f"{problem}, and insecure is set", mend.partition(", or ")[0])]
        return [failed("transport", problem, mend)]
    if settings.insecure:
        return [warning("transport", "insecure is set, but nothing needs it", "unset INTERESTREAM_INSECURE")]
    return [ok("transport", "plaintext only on loopback")]


def check_exposure(settings: Settings) -> list[Finding]:
    """Check that the endpoint is not offered to everybody, and that pseudonyms cannot be guessed."""
    findings = []
    if is_loopback(settings.metrics.host):
        findings.append(ok("endpoint", f"metrics listen on {settings.metrics.host} alone"))
    else:
        findings.append(
            warning(
                "endpoint",
                f"metrics listen on {settings.metrics.host}, without a password",
                "set metrics.host to 127.0.0.1, or let only Prometheus reach that address",
            )
        )
    key = settings.pseudonym_key
    if key is None:
        findings.append(ok("pseudonyms", "none: graph and topics hold user ids as events name them"))
    elif len(key.get_secret_value()) < _SHORTEST_KEY_CHARACTERS:
        findings.append(
            warning(
                "pseudonyms",
                f"the key has fewer than {_SHORTEST_KEY_CHARACTERS} characters: ids can be guessed back",
                "before the first event, set pseudonym_key to 32 or more random characters (openssl rand -hex 32)",
            )
        )
    else:
        findings.append(ok("pseudonyms", "user ids are replaced by HMAC-SHA-256 pseudonyms"))
    return findings
