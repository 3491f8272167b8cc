"""Names in several languages, and which of them an actor is shown."""

from collections.abc import Mapping

LOCALE_LENGTH_MAX = 64


def name_in(names: Mapping[str, str], locale: object, default: str) -> str:
    """Return the name in the language of `locale`, an actor's attribute: whatever a tenant has set, or None.

    A language tag is looked up as it is, then without its last parts: `pt-BR` finds `pt-BR`, then `pt`. Capitals and
    underscores do not matter (`pt_br`). A language whose own tag has no name takes the first of its variants. Who has
    no language, or one without a name, is shown the first name of the document; where there is none, `default`.
    """
    tags = {tag.lower(): name for tag, name in names.items()}
    if isinstance(locale, str) and len(locale) <= LOCALE_LENGTH_MAX:
        wanted = locale.lower().replace("_", "-")
        language = wanted.partition("-")[0]
        while wanted:
            if wanted in tags:
                return tags[wanted]
            wanted = wanted.rpartition("-")[0]
        for tag, name in tags.items():
            if tag.startswith(f"{language}-"):
                return name
    return next(iter(names.values()), default)
