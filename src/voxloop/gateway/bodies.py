"""What a request carries: a sound as it is, a form, or JSON. Limits are held before anything is looked into."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import Field, ValidationError
from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from voxloop.config import Model, StrictModel
from voxloop.gateway.config import GatewayConfig
from voxloop.gateway.problems import ProblemError

SOUNDS = (
    *("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave", "audio/flac", "audio/x-flac", "audio/ogg"),
    *("audio/opus", "application/ogg", "application/octet-stream"),
)
"""Media types of a body that is a sound; what it is its bytes say."""
FORM, WORDS = "multipart/form-data", "application/json"
MOST_FIELDS = 8
FORM_BYTES = 16_384
"""What the frame of a form may take beside the sound."""
SPEAKER, CONSENT = "x-speaker-id", "x-consent"
"""Headers: who speaks, by the caller's own id, and that who speaks lets the sound be kept."""
KEEP_AUDIO = "audio"
"""The one thing a consent can be for."""
LONGEST_SPEAKER = 128


Number = Annotated[float, Field(ge=-1e30, le=1e30)]
"""Fits float32, in which a model takes it."""


class Words(StrictModel):
    """A JSON body: what was said, and what is known of how."""

    text: str | None = None
    language: str | None = Field(default=None, max_length=35)
    features: dict[str, Number] = Field(default={}, max_length=256)


@dataclass(frozen=True)
class Asked:
    """What a request is about: a sound, words, or both; who speaks, and whether the sound may be kept."""

    sound: bytes | None
    words: Words
    speaker_id: str | None = None
    consent: bool = False


async def read_asked(
    request: Request, config: GatewayConfig, *, takes_words: bool, takes_language: bool = False
) -> Asked:
    """Return what a request carries.

    Args:
        request: Not yet read.
        config: Limits.
        takes_words: Whether the family reads words; else a sound alone is taken.
        takes_language: Whether a form may say in which language the sound is.

    Raises:
        ProblemError: 400, 408, 413, 415 or 422.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    taken = (*SOUNDS, FORM, *([WORDS] if takes_words else []))
    if kind not in taken:
        raise ProblemError(
            415, f"content-type is {kind[:80]!r}", rule=f"one of {', '.join(taken)}", remedy="say what you send"
        )
    content = await _read_body(request, config.max_bytes + (FORM_BYTES if kind == FORM else 0), config.body_seconds)
    if kind == FORM:
        asked = await _read_form(request, content, config)
    elif kind == WORDS:
        asked = Asked(None, _parse_words(content))
    else:
        asked = Asked(content, Words())
    _check(asked, config, takes_words=takes_words, takes_language=takes_language)
    return _add_headers(asked, request.headers)


async def read_json(request: Request, model: type[Model], most: int, seconds: float) -> Model:
    """Return a JSON body.

    Args:
        request: Not yet read.
        model: What it must be.
        most: Bytes.
        seconds: In which it must have arrived.

    Raises:
        ProblemError: 400, 408, 413, 415 or 422.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != WORDS:
        raise ProblemError(415, f"content-type is {kind[:80]!r}", rule=WORDS, remedy="say what you send")
    return _validate(model, _load_json(await _read_body(request, most, seconds)))


async def _read_body(request: Request, most: int, seconds: float) -> bytes:
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and stated.isascii() and (len(stated) > 12 or int(stated) > most):
        raise _too_large(f"content-length is {stated[:20]}", most)
    content = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                content += part
                if len(content) > most:
                    raise _too_large(f"the body has more than {most} bytes", most)
    except TimeoutError:
        raise ProblemError(
            408, f"after {seconds:g} s there are {len(content)} bytes", rule="a body comes in one go"
        ) from None
    except ClientDisconnect:
        raise ProblemError(400, "the caller has left") from None
    return bytes(content)


def _too_large(problem: str, most: int) -> ProblemError:
    # The rest is not read: the connection is of no more use.
    remedy = "send a shorter sound, or a compressed one"
    return ProblemError(413, problem, rule=f"at most {most} bytes", remedy=remedy, headers={"Connection": "close"})


async def _read_form(request: Request, content: bytes, config: GatewayConfig) -> Asked:
    async def once() -> AsyncGenerator[bytes, None]:
        yield content
        yield b""

    parser = _FormParser(
        request.headers, once(), max_files=1, max_fields=MOST_FIELDS, max_part_size=4 * config.max_text + 1024
    )
    try:
        return await _take_fields(await parser.parse())
    except (MultiPartException, FormParserError, KeyError, ValueError, LookupError) as broken:
        raise _no_form(str(broken)[:200] or type(broken).__name__) from None
    finally:
        parser.close()


class _FormParser(MultiPartParser):
    """Keeps a file in memory, where the whole body is already, and closes those of a broken form too."""

    spool_max_size = 2**31

    def close(self) -> None:
        """Let go of every file."""
        for file in self._files_to_close_on_error:
            file.close()


async def _take_fields(form: FormData) -> Asked:
    sound = form.get("audio")
    known = {"audio", "text", "language", "features", "speaker_id", "consent"}
    if unknown := sorted(set(form) - known) or [name for name in form if len(form.getlist(name)) > 1]:
        raise _no_form(f"a part {unknown[0][:80]!r} is not expected, or comes twice")
    fields: dict[str, Any] = {name: value for name, value in form.items() if name != "audio"}
    if any(isinstance(value, UploadFile) for value in fields.values()) or isinstance(sound, str):
        raise _no_form("audio alone is a file")
    if "features" in fields:
        fields["features"] = _load_json(fields["features"].encode(errors="surrogateescape"))
    speaker_id, consent = _read_speaker(fields.pop("speaker_id", None)), _read_consent(fields.pop("consent", None))
    content = await sound.read() if sound is not None else None
    return Asked(content, _validate(Words, fields), speaker_id, consent=consent)


def _add_headers(asked: Asked, headers: Headers) -> Asked:
    """Take who speaks, and the consent, from the headers too; a header that says otherwise than the form is refused."""
    speaker_id, consent = _read_speaker(headers.get(SPEAKER)), _read_consent(headers.get(CONSENT))
    if speaker_id is not None and not speaker_id.isascii():
        raise ProblemError(
            422, f"{SPEAKER} is not ASCII", rule="headers are", remedy="use the form's part `speaker_id`"
        )
    if None not in (speaker_id, asked.speaker_id) and speaker_id != asked.speaker_id:
        raise ProblemError(422, f"{SPEAKER} and the form name two speakers", rule="one speaks", remedy="name one")
    return replace(asked, speaker_id=asked.speaker_id or speaker_id, consent=asked.consent or consent)


def _read_speaker(stated: str | None) -> str | None:
    if stated is not None and not (0 < len(stated) <= LONGEST_SPEAKER and stated.isprintable()):
        raise ProblemError(
            422,
            "the speaker's id is not as it should be",
            rule=f"1 to {LONGEST_SPEAKER} printable characters",
            remedy="send the id by which you know who speaks, or none",
        )
    return stated


def _read_consent(stated: str | None) -> bool:
    if stated not in (None, KEEP_AUDIO):
        raise ProblemError(
            422, f"consent is {stated[:20]!r}", rule=f"`{KEEP_AUDIO}`, or none", remedy="leave it out without consent"
        )
    return stated is not None


def _no_form(problem: str) -> ProblemError:
    return ProblemError(
        422,
        f"the form cannot be read: {problem}",
        rule="multipart/form-data with a file `audio`; of personality also `text`, `language`, `features` as JSON",
        remedy="curl -F audio=@sound.wav",
    )


def _parse_words(content: bytes) -> Words:
    return _validate(Words, _load_json(content))


def _load_json(content: bytes) -> Any:
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as broken:
        raise ProblemError(422, "the body is no JSON", rule=str(broken)[:200], remedy='send {"text": "…"}') from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _validate(model: type[Model], fields: Any) -> Model:
    try:
        return model.model_validate(fields)
    except ValidationError as unfit:
        first = unfit.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:80] or "the body"
        raise ProblemError(
            422, f"{place} is not as it should be", rule=first["msg"], remedy="see /openapi.json"
        ) from None


def _check(asked: Asked, config: GatewayConfig, *, takes_words: bool, takes_language: bool) -> None:
    words = asked.words
    if not takes_words and words != Words(language=words.language if takes_language else None):
        raise ProblemError(
            422, "there are words in the form", rule="this family hears a sound alone", remedy="leave them out"
        )
    if words.text is not None and len(words.text) > config.max_text:
        raise ProblemError(
            413, f"text has {len(words.text)} characters", rule=f"at most {config.max_text}", remedy="cut it"
        )
    if not takes_words and not asked.sound:
        raise ProblemError(
            422, "there is no sound", rule="a body or a part `audio` with bytes in it", remedy="send a file"
        )
    if asked.sound is not None and not asked.sound:
        raise ProblemError(422, "the sound is empty", rule="a file has bytes", remedy="send one, or words alone")
    if asked.sound is not None and len(asked.sound) > config.max_bytes:
        raise _too_large(f"the sound has {len(asked.sound)} bytes", config.max_bytes)
