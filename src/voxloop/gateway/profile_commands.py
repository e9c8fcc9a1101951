"""`voxloop profiles`: what is kept of the speakers whom callers send."""

from __future__ import annotations


def erase(*, tenant: str, speaker: str) -> None:
    """Take a tenant's speaker out of the profiles of `/v1/analyze`: journal and online store, bytes and all.

    The gateway may run. Killed, the same command goes on. What they say afterwards begins a new profile; the prediction
    log, and the corpora (`voxloop erase`), are not touched.

    Args:
        tenant: Whose speaker, as `voxloop keys list` names it.
        speaker: By the tenant's own id, as requests name it.

    Raises:
        InputError: There is no profile of such a speaker.
        IntegrityError: The keys of pseudonyms cannot be used, or the journal is none.
        ServiceUnavailableError: Journal or online store do not answer: run it again.
    """
    from voxloop.adapters.feast_profiles import erase_profile
    from voxloop.data.heard_journal import HeardJournal
    from voxloop.errors import InputError
    from voxloop.gateway.config import load_gateway_config
    from voxloop.gateway.profile_keeper import list_names
    from voxloop.monitoring.pseudonyms import Pseudonyms
    from voxloop.settings import get_settings

    settings, gone = get_settings(), 0
    if settings.speaker_keys.exists():
        names = list_names(Pseudonyms(settings.speaker_keys), tenant, speaker)
        journal = HeardJournal(settings.heard_journal, load_gateway_config().profiles.utterances)
        gone = erase_profile(names, journal)
    if not gone:
        raise InputError(
            f"no profile of a speaker {speaker!r} of {tenant!r}",
            rule="a profile is known by both, as requests spell them",
            remedy="correct them; after an erasure there is none",
        )
    print(f"{gone} utterances and rows are erased", flush=True)
