"""A language model behind an address that speaks as OpenAI's servers do."""

# No postponed annotations: spacy-llm compares the types of tasks and models.
import os
import time
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Dict, Iterable, List, Optional  # noqa: UP035

from spacy_cardioner.errors import CardionerError, NoteError, masked, needs
from spacy_cardioner.pipeline.llm.answers import Answer

# Answers of the server that may be others in a moment; of these, those that say nothing of a note.
TRANSIENT = {408, 429, 500, 502, 503, 504}
OF_SERVER = {429, 502, 503, 504}
# Answers that are asked for again because a note of the same batch failed.
REMEMBERED = 1024


def create_server(
    name: str,
    endpoint: str,
    config: Dict[str, Any] = {"temperature": 0.0},  # noqa: B006, UP006
    context_length: Optional[int] = 8192,  # noqa: UP045
    timeout: float = 120.0,
    max_tries: int = 5,
    interval: float = 1.0,
    key: str = "CARDIONER_LLM_KEY",
) -> "Server":
    """Create the model `spacy_cardioner.OpenAICompatible.v1` for `@llm_models`.

    name (str): The model, as the server names it.
    endpoint (str): Address of the server up to the version, such as "http://127.0.0.1:8000/v1".
    config (Dict[str, Any]): More fields of a request, such as "temperature" or "max_tokens".
    context_length (Optional[int]): Most tokens of a prompt and its answer together.
    timeout (float): Seconds to wait for an answer.
    max_tries (int): How often a request is made before it fails.
    interval (float): Seconds before the second try. They double with each other one.
    key (str): Environment variable with the key of the server, if it needs one.
    """
    return Server(name, endpoint, config, context_length, timeout, max_tries, interval, key)


class Server:
    """Sends prompts to a server, one by one.

    The text of notes goes to this address, and nowhere else: neither redirections nor proxies are
    followed. Only the answer of a server is read, never an error that it sends, as it may quote the
    text.
    """

    def __init__(
        self,
        name: str,
        endpoint: str,
        config: Dict[str, Any],  # noqa: UP006
        context_length: Optional[int],  # noqa: UP045
        timeout: float,
        max_tries: int,
        interval: float,
        key: str,
    ) -> None:
        with needs("requests", "llm"):
            import requests
        self.name = name
        self.endpoint = endpoint.rstrip("/")
        self.config = config
        self.context_length = context_length
        self.timeout = timeout
        self.max_tries = max_tries
        self.interval = interval
        self.key = key
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = os.environ.get("REQUESTS_CA_BUNDLE", True)
        self._answer = lru_cache(REMEMBERED)(self._ask)

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Ask for an answer to each prompt of each document.

        RAISES (CardionerError): The server cannot be reached or refuses to work.
        RAISES (NoteError): It fails with one of the prompts.
        """
        answers: List[List[str]] = [[self._answer(p) for p in of_doc] for of_doc in prompts]  # noqa: UP006
        return answers

    def _ask(self, prompt: str) -> Answer:
        for number in range(self.max_tries - 1):
            try:
                return self._request(prompt)
            except _Again:
                time.sleep(self.interval * 2**number)
        try:
            return self._request(prompt)
        except _Again as error:
            raise error.error from None

    def _request(self, prompt: str) -> Answer:
        import requests

        started = time.perf_counter()
        key = os.environ.get(self.key)
        try:
            response = self._session.post(
                f"{self.endpoint}/chat/completions",
                json={
                    **self.config,
                    "model": self.name,
                    "messages": [{"role": "user", "content": prompt}],
                },
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=self.timeout,
                allow_redirects=False,
            )
        except requests.ReadTimeout:
            raise _Again(self._note_error(f"no answer within {self.timeout:g} seconds")) from None
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            error = self._error("no answer: start the server, or correct the endpoint")
            raise _Again(error) from None
        except (requests.RequestException, ValueError) as refused:
            raise self._error(f"cannot be asked ({type(refused).__name__})") from None
        if response.status_code != HTTPStatus.OK:
            raise self._refusal(response.status_code)
        try:
            content = response.json()
            choice = content["choices"][0]
            text = choice["message"]["content"] or ""
            usage = content.get("usage") or {}
            tokens = [int(usage.get(f"{kind}_tokens") or 0) for kind in ("prompt", "completion")]
            if not isinstance(text, str):
                raise TypeError
        except (ValueError, LookupError, TypeError, AttributeError):
            raise _Again(self._note_error("its answer is not that of a chat")) from None
        counts = {
            "LLM requests": 1,
            "LLM seconds": time.perf_counter() - started,
            "prompt tokens": tokens[0],
            "answer tokens": tokens[1],
            "answers cut off": int(choice.get("finish_reason") == "length"),
        }
        return Answer(text, counts)

    def _refusal(self, status: int) -> Exception:
        """What a status means: try again, stop, or leave this note out."""
        phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "unknown"
        said = f"status {status} ({phrase})"
        if status in (401, 403):
            return self._error(f"{said}: put the key of the server into {self.key}")
        if status == 404:
            return self._error(f"{said}: has no model '{self.name}', or the endpoint is wrong")
        if 300 <= status < 400:
            return self._error(f"{said}: it sends elsewhere, where no text is sent")
        error = self._error(said) if status in OF_SERVER else self._note_error(said)
        return _Again(error) if status in TRANSIENT else error

    def _error(self, message: str) -> CardionerError:
        return CardionerError(f"{masked(self.endpoint)}: {message}")

    def _note_error(self, message: str) -> NoteError:
        return NoteError(f"the language model at {masked(self.endpoint)} failed on it: {message}")


class _Again(Exception):
    """A request failed, and may succeed if it is made again.

    error (CardionerError): What to raise if it does not.
    """

    def __init__(self, error: CardionerError) -> None:
        self.error = error
