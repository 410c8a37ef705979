from gateway.config.settings import Settings
from tools import reference


def test_the_reference_says_what_the_code_says() -> None:
    """docs/reference is what tools/reference.py writes now; run it after a change."""
    assert reference.stale() == []


def test_every_setting_is_explained() -> None:
    """Each key of crossfade.yaml has its meaning in the reference."""
    said = reference.said_in_settings()
    plain = {"Tls.key", "ModelPrice.prompt", "ModelPrice.completion"}  # the section says it
    missing = [
        f"{model.__name__}.{name}"
        for _, model, _ in reference.sections(Settings, said)
        for name, field in model.model_fields.items()
        if not reference.inner(field.annotation) and not reference.said_of(model, name, said)
    ]
    assert set(missing) <= plain
